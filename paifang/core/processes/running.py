"""One running process: its pipes, its group, its end."""

import asyncio
import contextlib
import logging
import os
import signal
from collections import deque
from collections.abc import AsyncIterator

from paifang.core.processes.child import (
    Child,
    ChildError,
    ReadyLine,
    clean_environment,
    describe_exit,
    python_module,
)

LINE_LIMIT = 4096
"""Bytes of one line of output; the rest of a longer line is cut."""
TAIL_LINES = 15
"""Last lines of each stream that an error shows."""
_DRAIN_SECONDS = 1.0
"""For output that is still in the pipes when a process has ended."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamReader, asyncio.StreamWriter]


async def lines(stream: asyncio.StreamReader, limit: int = LINE_LIMIT) -> AsyncIterator[str]:
    """Lines as text, each cut at ``limit`` bytes, however long the child makes them."""
    pending, cut = b"", False
    while chunk := await stream.read(65536):
        *whole, rest = (pending + chunk).split(b"\n")
        for line in whole:
            if not cut:
                yield _text(line[:limit])
            cut = False
        if len(rest) >= limit and not cut:
            yield _text(rest[:limit])
            cut = True
        pending = b"" if cut else rest
    if pending:
        yield _text(pending)


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")


class Running:
    """A process that has been started; :meth:`spawn` makes one."""

    def __init__(self, child: Child, process: asyncio.subprocess.Process, streams: Streams) -> None:
        self.child = child
        self.pid = process.pid
        self.announced: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.exited = asyncio.create_task(process.wait())
        self._stdin = streams[2]
        self._log = logging.getLogger(f"paifang.child.{child.name}")
        self._out: deque[str] = deque(maxlen=TAIL_LINES)
        self._err: deque[str] = deque(maxlen=TAIL_LINES)
        self._readers = (
            asyncio.create_task(self._read_stdout(streams[0])),
            asyncio.create_task(self._read_stderr(streams[1])),
        )

    @classmethod
    async def spawn(cls, child: Child) -> "Running":
        """Start the process.

        Raises:
            ChildError: there is no such program, or it may not be run.
        """
        argv = child.argv
        if child.guard:
            argv = python_module("paifang.core.processes.guard", *argv)
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=clean_environment(child.env),
                start_new_session=True,
            )
        )
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Cancelled in the middle of a fork: wait for the process, so that it can be ended.
            with contextlib.suppress(OSError):
                _kill_group((await starting).pid, signal.SIGKILL)
                await (await starting).wait()
            raise
        except OSError as error:
            message = f"{child.name}: could not start {argv[0]}: {error.strerror}"
            raise ChildError(message) from error
        stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
        if stdin is None or stdout is None or stderr is None:  # pragma: no cover - all are pipes
            raise ChildError(f"{child.name}: started without its pipes")
        if child.stdin is not None:
            # One that is dead already reads nothing, and uvloop says so in its own way.
            with contextlib.suppress(OSError, RuntimeError):
                stdin.write(child.stdin())
        return cls(child, process, (stdout, stderr, stdin))

    def tail(self) -> tuple[str, ...]:
        """What it wrote last: standard error says why, so it has the last word."""
        return (*self._out, *self._err)

    async def ended(self, when: str = "") -> ChildError:
        """The error that tells how it ended by itself; waits for its last words."""
        code = await asyncio.shield(self.exited)
        await self._drain()
        message = f"{self.child.name} {describe_exit(code)}{when}"
        return ChildError(message, exit_code=code, tail=self.tail())

    async def end(self) -> None:
        """End the process and everything in its group: SIGTERM, then SIGKILL. Idempotent."""
        try:
            if not self.exited.done():
                _kill_group(self.pid, signal.SIGTERM)
                await asyncio.wait({self.exited}, timeout=self.child.stop_timeout)
        finally:
            # Whatever happens, also to its own children that did not listen.
            _kill_group(self.pid, signal.SIGKILL)
        await asyncio.wait({self.exited})
        await self._drain()
        self.announced.cancel()
        self._stdin.close()
        with contextlib.suppress(OSError):
            await self._stdin.wait_closed()

    async def _drain(self) -> None:
        # A grandchild that left the group may hold the pipes for ever; do not wait for it.
        _done, pending = await asyncio.wait(self._readers, timeout=_DRAIN_SECONDS)
        for reader in pending:
            reader.cancel()
        if pending:
            await asyncio.wait(pending)

    async def _read_stdout(self, stream: asyncio.StreamReader) -> None:
        ready = self.child.ready
        async for line in lines(stream):
            if isinstance(ready, ReadyLine) and not self.announced.done():
                try:
                    said = ready.parse(line)
                except Exception as error:  # noqa: BLE001 - reading must go on or the child blocks
                    self.announced.set_exception(error)
                else:
                    if said is not None:
                        self.announced.set_result(said)
                        continue
            self._out.append(line)
            self._log.info("%s", line)

    async def _read_stderr(self, stream: asyncio.StreamReader) -> None:
        async for line in lines(stream):
            self._err.append(line)
            self._log.info("%s", line)


def _kill_group(pid: int, number: int) -> None:
    # The child is the leader of its own group, so the group has its pid. Permission is refused
    # (macOS) for a group that has only zombies left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
