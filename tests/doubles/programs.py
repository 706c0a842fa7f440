"""Doubles and loads in processes of their own, told and heard line by line.

A program is a module of this package. It reads orders from standard input, one a line, answers
on standard output with one line of JSON each, and ends when its input does.
"""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from doubles.installation import clean_environment

TESTS = Path(__file__).parent.parent
MAX_LINE = 64 * 1024 * 1024
"""Bytes; a report may be long."""


class Program:
    """A running one."""

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.process = process

    def say(self, line: str) -> None:
        """Give an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    async def hear(self) -> dict[str, Any]:
        """Read an answer. Raises ``AssertionError`` when the program has ended."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line, f"{self.name} ended with {await self.process.wait()}; see its traceback above"
        found: dict[str, Any] = json.loads(line)
        return found

    async def ask(self, line: str) -> dict[str, Any]:
        """Give an order and read its answer."""
        self.say(line)
        return await self.hear()


@contextlib.asynccontextmanager
async def program(name: str, *arguments: str) -> AsyncIterator[Program]:
    """Start ``doubles.<name>``; it is gone when the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", f"doubles.{name}", *arguments),
        env=clean_environment(),
        cwd=TESTS,
        stdin=PIPE,
        stdout=PIPE,
        limit=MAX_LINE,
    )
    try:
        yield Program(name, process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def orders() -> AsyncIterator[str]:
    """Inside of a program: its orders, until its input ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


def tell(**found: Any) -> None:
    """Inside of a program: answer an order."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
