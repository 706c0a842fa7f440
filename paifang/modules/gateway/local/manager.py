"""Local models at work: each loaded when it is called, unloaded when nobody calls any more."""

import asyncio
import json
import logging
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

from paifang.core.processes.child import (
    Child,
    ChildError,
    ReadyLine,
    Restart,
    State,
    python_module,
)
from paifang.core.processes.supervisor import Supervisor
from paifang.modules.gateway.local import files
from paifang.modules.gateway.local.errors import LocalModelError
from paifang.modules.gateway.local.settings import LocalSettings
from paifang.modules.gateway.relay.snapshot import Channel

log = logging.getLogger("paifang.gateway.local")

SCHEME = "local:"
_PATIENCE = 2.0
"""Seconds a call waits for a restart before it is told to come back later."""
_RESTART = Restart(max_failures=5)


@dataclass(frozen=True, slots=True)
class LocalModelStatus:
    """A model that has been called since the start, at one moment."""

    model: str
    state: State
    pid: int | None
    port: int | None
    rss: int | None
    """Bytes of memory it holds."""
    restarts: int
    """Times it was started again after a crash."""
    in_flight: int
    """Calls it is answering."""
    idle_since: float | None
    """Unix time of the end of its last call; None while it has one."""
    error: str
    """How it last ended by itself, or why it could not start."""


@dataclass(slots=True)
class _Model:
    file: files.ModelFile
    child: str
    key: str = ""
    in_flight: int = 0
    idle_since: float = field(default_factory=time.time)
    unload: asyncio.TimerHandle | None = None
    start: "asyncio.Task[LocalModelError | None] | None" = None
    failures: int = 0
    not_before: float = 0.0
    error: str = ""

    def new_key(self) -> bytes:
        # At each start: the port of a dead child may be somebody else's a moment later.
        self.key = secrets.token_urlsafe(32)
        return f"{self.key}\n".encode()


class LocalModels:
    """Gives the relay a base URL for a channel whose base URL is ``local:<model>``."""

    def __init__(
        self,
        home: Path,
        settings: LocalSettings | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self._home = home
        self._settings = settings or LocalSettings()
        self._supervisor = supervisor or Supervisor()
        self._models: dict[str, _Model] = {}
        self._unloading: set[asyncio.Task[None]] = set()
        self._closed = False

    async def acquire(self, channel: Channel) -> str:
        """The base URL of a ready child, started if need be; it stays until :meth:`release`.

        Calls that come at the same time share one start, and none of them can cancel it.

        Raises:
            LocalModelError: the model is not there, can't be loaded, or has crashed and rests.
        """
        if self._closed:
            raise LocalModelError("local models are shutting down")
        model = await self._model(_name(channel))
        model.in_flight += 1
        if model.unload is not None:
            model.unload.cancel()
            model.unload = None
        try:
            port = self._supervisor.announced(model.child)
            if port is None:
                port = await self._ready(model)
        except BaseException:
            self._let_go(model)
            raise
        return f"http://127.0.0.1:{port}/v1"

    def release(self, channel: Channel) -> None:
        """Say that a call which had acquired has ended, however it ended."""
        model = self._models.get(_name(channel))
        if model is not None and model.in_flight > 0:
            self._let_go(model)

    def credential(self, channel: Channel) -> str:
        """The key the child asks for as ``Authorization: Bearer``; ask after each acquire."""
        model = self._models.get(_name(channel))
        return "" if model is None else model.key

    def status(self) -> list[LocalModelStatus]:
        """The models that have been called since the start."""
        return [self._status(name, model) for name, model in self._models.items()]

    async def close(self) -> None:
        """Stop every model; calls in flight are cut off. Nothing can be acquired afterwards."""
        self._closed = True
        for model in self._models.values():
            if model.unload is not None:
                model.unload.cancel()
        children = [m.child for m in self._models.values() if m.child in self._supervisor]
        await asyncio.gather(*(self._supervisor.remove(child) for child in children))
        waiting = [m.start for m in self._models.values() if m.start] + list(self._unloading)
        await asyncio.gather(*waiting)

    async def _model(self, name: str) -> _Model:
        model = self._models.get(name)
        if model is not None:
            return model
        file = await self._file(name)
        # Another call may have been faster while this one looked at the disk.
        return self._models.setdefault(name, _Model(file=file, child=f"local-{name}"))

    async def _file(self, name: str) -> files.ModelFile:
        found = await asyncio.to_thread(files.find, self._home)
        file = found.get(name)
        if file is not None:
            return file
        known = ", ".join(model.name for model in found.models) or "none"
        folder = files.models_folder(self._home)
        raise LocalModelError(
            f"there is no local model {name} (known: {known}); put its .gguf file into {folder}"
            + "".join(f"; {reason}" for reason in found.missing)
        )

    async def _ready(self, model: _Model) -> object:
        """Wait until it is ready, in the one task that starts it; its port.

        Raises:
            LocalModelError: it can't be, or not soon.
        """
        if model.start is None:
            self._refuse_to_hurry(model)
            model.start = asyncio.create_task(self._start(model), name=f"start {model.child}")
        error = await asyncio.shield(model.start)
        if error is not None:
            # A new one for each waiter: a shared one would collect all their tracebacks.
            raise LocalModelError(error.message, error.retry_after)
        port = self._supervisor.announced(model.child)
        if port is None:
            raise LocalModelError(f"{model.file.name} has just crashed", 1.0)
        return port

    def _refuse_to_hurry(self, model: _Model) -> None:
        wait, why = model.not_before - time.monotonic(), model.error
        if model.child in self._supervisor:
            status = self._supervisor.child_status(model.child)
            if status.retry_at is not None:
                wait, why = status.retry_at - time.time(), status.error
                if wait <= _PATIENCE:
                    return
        if wait > 0:
            raise LocalModelError(f"{model.file.name} rests after a failure: {why}", wait)

    async def _start(self, model: _Model) -> LocalModelError | None:
        try:
            await self._prepare(model)
            await self._supervisor.start(model.child)
        except LocalModelError as problem:
            return problem
        except ChildError as problem:
            model.failures += 1
            model.error = problem.summary
            wait = _RESTART.seconds(model.failures)
            model.not_before = time.monotonic() + wait
            return LocalModelError(f"{model.file.name} could not be started: {model.error}", wait)
        else:
            model.failures, model.not_before, model.error = 0, 0.0, ""
            return None
        finally:
            model.start = None

    async def _prepare(self, model: _Model) -> None:
        """Look at the file afresh: it may have been repaired, replaced or taken away."""
        if reason := files.engine_missing():
            raise LocalModelError(reason)
        file = await self._file(model.file.name)
        file = await asyncio.to_thread(files.check, file)
        if file.problem:
            raise LocalModelError(file.problem)
        if file.path != model.file.path and model.child in self._supervisor:
            await self._supervisor.remove(model.child)
        model.file = file
        if self._closed:
            raise LocalModelError("local models are shutting down")
        if model.child not in self._supervisor:
            self._supervisor.add(self._child(model))

    def _child(self, model: _Model) -> Child:
        settings = self._settings
        return Child(
            name=model.child,
            argv=python_module(
                "paifang.modules.gateway.local.server",
                *("--model", str(model.file.path)),
                *("--alias", model.file.name),
                *("--threads", str(settings.threads)),
                *("--context", str(settings.context)),
                *("--parallel", str(settings.parallel)),
                *("--batch", str(settings.batch)),
            ),
            stdin=model.new_key,
            guard=False,
            ready=ReadyLine(_port),
            start_timeout=settings.start_timeout,
            stop_timeout=5.0,
            restart=_RESTART,
        )

    def _let_go(self, model: _Model) -> None:
        model.in_flight -= 1
        if model.in_flight > 0:
            return
        model.idle_since = time.time()
        idle = self._settings.idle_seconds
        if idle > 0 and not self._closed:
            loop = asyncio.get_running_loop()
            model.unload = loop.call_later(idle, self._unload, model)

    def _unload(self, model: _Model) -> None:
        model.unload = None
        if model.start is not None:
            # Every call that wanted it has gone, but it is still loading: wait for the end of that.
            idle = self._settings.idle_seconds
            model.unload = asyncio.get_running_loop().call_later(idle, self._unload, model)
        elif model.in_flight == 0 and model.child in self._supervisor:
            log.info("%s is unloaded: no call for a while", model.file.name)
            task = asyncio.create_task(self._supervisor.stop(model.child))
            self._unloading.add(task)
            task.add_done_callback(self._unloading.discard)

    def _status(self, name: str, model: _Model) -> LocalModelStatus:
        state, pid, restarts, error = State.STOPPED, None, 0, ""
        if model.child in self._supervisor:
            child = self._supervisor.child_status(model.child)
            state, pid, restarts, error = child.state, child.pid, child.restarts, child.error
        port = self._supervisor.announced(model.child)
        return LocalModelStatus(
            model=name,
            state=state,
            pid=pid,
            port=port if isinstance(port, int) else None,
            rss=None if pid is None else _rss(pid),
            restarts=restarts,
            in_flight=model.in_flight,
            idle_since=model.idle_since if model.in_flight == 0 else None,
            error=error or model.error,
        )


def _name(channel: Channel) -> str:
    name = channel.base_url.removeprefix(SCHEME)
    if name == channel.base_url or not name:
        raise LocalModelError(
            f"channel {channel.name}: the base URL of provider local must be "
            f"{SCHEME}<model>, not {channel.base_url!r}"
        )
    return name


def _port(line: str) -> int | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    port = said.get("port") if isinstance(said, dict) else None
    return port if isinstance(port, int) else None


def _rss(pid: int) -> int | None:
    import psutil  # noqa: PLC0415  # only where a local model runs

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None
