"""The supervisor: keeps named child processes running and says how they are."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from paifang.core.processes.child import Child, ChildError, ChildStatus, ReadyLine, State
from paifang.core.processes.running import Running

log = logging.getLogger("paifang.processes")

_ASK_EVERY = 0.1
"""Seconds between two questions whether a child is ready, when it can't tell by itself."""


class Supervisor:
    """Child processes by name. All methods belong to one event loop."""

    def __init__(self) -> None:
        self._runners: dict[str, _Runner] = {}
        self._closed = False

    def add(self, child: Child) -> None:
        """Make a child known, stopped.

        Raises:
            ValueError: the name is taken.
        """
        if child.name in self._runners:
            raise ValueError(f"there is already a child named {child.name}")
        self._runners[child.name] = _Runner(child)

    def __contains__(self, name: str) -> bool:
        return name in self._runners

    async def start(self, name: str) -> None:
        """Start a child and wait until it is ready; joins a start that is under way.

        A waiter that is cancelled does not end the start.

        Raises:
            LookupError: no child has that name.
            ChildError: it failed, or was stopped meanwhile.
        """
        if self._closed:
            raise ChildError(f"{name} can't be started: Paifang is shutting down")
        await self._runner(name).start()

    async def stop(self, name: str) -> None:
        """Stop a child and everything it started; returns when nothing of it is left."""
        await self._runner(name).stop()

    async def remove(self, name: str) -> None:
        """Stop a child and forget it."""
        runner = self._runner(name)
        await runner.stop()
        self._runners.pop(name, None)

    async def close(self) -> None:
        """Stop all children at the same time; nothing can be started afterwards."""
        self._closed = True
        await asyncio.gather(*(runner.stop() for runner in self._runners.values()))

    def status(self) -> list[ChildStatus]:
        """All children, in the order they were added."""
        return [runner.status() for runner in self._runners.values()]

    def child_status(self, name: str) -> ChildStatus:
        """One child."""
        return self._runner(name).status()

    def announced(self, name: str) -> object | None:
        """What the ready line of a child said; None unless it is ready right now."""
        runner = self._runners.get(name)
        return runner.announced if runner is not None and runner.state is State.READY else None

    async def changed(self, name: str) -> ChildStatus:
        """Wait for the next change of a child's state."""
        runner = self._runner(name)
        await runner.next_change()
        return runner.status()

    def _runner(self, name: str) -> "_Runner":
        try:
            return self._runners[name]
        except KeyError:
            raise LookupError(f"there is no child named {name}") from None


class _Runner:
    """The life of one child: a task that starts it again as often as it should."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.state = State.STOPPED
        self.announced: object | None = None
        self._since = time.time()
        self._change = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._running: Running | None = None
        self._restarts = 0
        # Monotonic: the wait for it does not change when somebody sets the wall clock.
        self._retry_at: float | None = None
        self._error: ChildError | None = None

    def status(self) -> ChildStatus:
        return ChildStatus(
            name=self.child.name,
            state=self.state,
            since=self._since,
            pid=None if self._running is None else self._running.pid,
            restarts=self._restarts,
            retry_at=self._retry_at and time.time() + self._retry_at - time.monotonic(),
            error="" if self._error is None else self._error.summary,
            announced=self.announced if self.state is State.READY else None,
        )

    async def next_change(self) -> None:
        await self._change.wait()

    async def start(self) -> None:
        while self._is(State.STOPPING):
            await self.next_change()
        if self._is(State.STOPPED, State.FAILED):
            self._set(State.STARTING)
            self._task = asyncio.create_task(self._live(), name=f"child {self.child.name}")
            self._task.add_done_callback(self._done)
        while not self._is(State.READY):
            if self._is(State.FAILED) and self._error is not None:
                # A new one for each waiter: a shared one would collect all their tracebacks.
                error = self._error
                raise ChildError(error.message, exit_code=error.exit_code, tail=error.tail)
            if self._is(State.STOPPING, State.STOPPED):
                raise ChildError(f"{self.child.name} was stopped before it was ready")
            await self.next_change()

    async def stop(self) -> None:
        if self._is(State.FAILED):
            self._set(State.STOPPED)
        # Cancelled once only: a second time would interrupt the clean-up of the first.
        if self._task is not None and not self._is(State.STOPPING, State.STOPPED):
            self._set(State.STOPPING)
            self._task.cancel()
        while self._is(State.STOPPING):
            await self.next_change()

    def _is(self, *states: State) -> bool:
        return self.state in states

    def _set(self, state: State) -> None:
        self.state = state
        self._since = time.time()
        if state is not State.BACKING_OFF:
            self._retry_at = None
        change, self._change = self._change, asyncio.Event()
        change.set()

    def _done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._set(State.STOPPED)
        elif problem := task.exception():
            log.error("%s: its supervision broke", self.child.name, exc_info=problem)
            self._error = ChildError(f"{self.child.name}: its supervision broke: {problem!r}")
            self._set(State.FAILED)
        elif self._is(State.STOPPING):
            # It gave up by itself in the very moment it was to be stopped.
            self._set(State.STOPPED)

    async def _live(self) -> None:
        restart = self.child.restart
        failures, ever_ready = 0, False
        while True:
            began = time.monotonic()
            error, ready_at = await self._run()
            self._error = error
            ever_ready = ever_ready or ready_at is not None
            now = time.monotonic()
            if restart and ready_at is not None and now - ready_at >= restart.reset_after:
                failures = 0
            failures += 1
            given_up = restart is None or (
                restart.max_failures is not None and failures >= restart.max_failures
            )
            if restart is None or given_up or not ever_ready:
                log.error("%s\nIt is not started again by itself.", error)
                self._set(State.FAILED)
                return
            delay = restart.seconds(failures)
            log.error("After %.1f s: %s\nIt is started again in %.1f s.", now - began, error, delay)
            self._retry_at = time.monotonic() + delay
            self._set(State.BACKING_OFF)
            await asyncio.sleep(delay)
            self._restarts += 1
            self._set(State.STARTING)

    async def _run(self) -> tuple[ChildError, float | None]:
        """Run it once, until it ends by itself: how it ended, and when it had become ready."""
        ready_at: float | None = None
        try:
            self._running = running = await Running.spawn(self.child)
            await self._until_ready(running)
            ready_at = time.monotonic()
            log.info("%s is ready (pid %d)", self.child.name, running.pid)
            self._set(State.READY)
            error = await running.ended()
        except ChildError as problem:
            error = problem
        finally:
            if self._running is not None:
                await self._running.end()
                self._running = None
            self.announced = None
        return error, ready_at

    async def _until_ready(self, running: Running) -> None:
        waiting = asyncio.ensure_future(self._ready(running))
        try:
            done, _ = await asyncio.wait(
                {waiting, running.exited},
                timeout=self.child.start_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if running.exited in done:
                raise await running.ended(" before it was ready")
            if not done:
                message = f"{self.child.name} was not ready after {self.child.start_timeout:g} s"
                raise ChildError(message, tail=running.tail())
            if problem := waiting.exception():
                message = f"{self.child.name}: its ready check broke: {problem!r}"
                raise ChildError(message, tail=running.tail()) from problem
            self.announced = waiting.result()
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})

    async def _ready(self, running: Running) -> object | None:
        ready = self.child.ready
        if isinstance(ready, ReadyLine):
            return await running.announced
        if isinstance(ready, str):
            await _answers(ready)
        elif ready is not None:
            await _says_yes(ready)
        return None


async def _answers(url: str) -> None:
    import httpx  # noqa: PLC0415  # megabytes, and most children say by themselves that they are ready

    # Without the environment's proxies: a child is next door.
    async with httpx.AsyncClient(trust_env=False, timeout=5.0) as client:

        async def ask() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return (await client.get(url)).status_code == httpx.codes.OK
            return False

        await _says_yes(ask)


async def _says_yes(ask: Callable[[], Awaitable[bool]]) -> None:
    while not await ask():  # noqa: ASYNC110 - what is asked is another process, without events
        await asyncio.sleep(_ASK_EVERY)
