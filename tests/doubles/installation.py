"""A whole installation in processes of its own, started by the command people type."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from paifang.cli.banner import LAST_LINE

ADMIN_KEY = "pf_admin_of_the_installation_0123456789"
START_SECONDS = 60.0
UP = re.compile(r"Paifang is up at (\S+)")
KEY = re.compile(r"pf_live_\w+")


class Running:
    """One process of it, listening."""

    def __init__(self, process: Process, url: str, output: list[str]) -> None:
        self.process = process
        self.url = url
        self.output = output
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.output.append(line.decode())

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return "".join(self.output)

    async def kill(self) -> None:
        """``kill -9``, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._reader

    async def terminate(self, seconds: float = 30.0) -> int:
        """SIGTERM, and wait; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(seconds):
            status = await self.process.wait()
        await self._reader
        return status


class Installation:
    """A home folder and settings, from which processes are started."""

    program: tuple[str, ...] = ("-m", "paifang")
    """What is run by Python."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.home = folder / "home"
        self.folder = folder
        self.variables = {
            "PAIFANG_ENV": "test",
            "PAIFANG_HOME": str(self.home),
            "PAIFANG_PORT": "0",
            "PAIFANG_ADMIN_KEY": ADMIN_KEY,
            **variables,
        }
        self.first_key = ""
        """The key of the token that the first start made."""

    @property
    def environment(self) -> dict[str, str]:
        """For a process of this installation."""
        return {**clean_environment(), **self.variables}

    async def start(self, *arguments: str, **variables: str) -> Running:
        """Start ``paifang up`` (or other arguments) and wait until it listens."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self.program,
            *(arguments or ("up",)),
            env={**self.environment, **variables},
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
        )
        output: list[str] = []
        try:
            url = await self._listening(process, output)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return Running(process, url, output)

    async def _listening(self, process: Process, output: list[str]) -> str:
        assert process.stdout is not None
        url = ""
        async with asyncio.timeout(START_SECONDS):
            while line := (await process.stdout.readline()).decode():
                output.append(line)
                if found := UP.search(line):
                    url = found.group(1)
                if not self.first_key and (key := KEY.search(line)):
                    self.first_key = key.group()
                if line.strip() == LAST_LINE:
                    return url
        raise AssertionError(f"it did not start:\n{''.join(output)}")

    async def command(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str]:
        """Run a command of this installation to its end: exit status and output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "paifang",
            *arguments,
            env=self.environment,
            cwd=self.folder,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
        )
        async with asyncio.timeout(START_SECONDS):
            output, _ = await process.communicate(stdin)
        assert process.returncode is not None
        return process.returncode, output.decode()


@contextlib.asynccontextmanager
async def running(
    installation: Installation, *arguments: str, **variables: str
) -> AsyncIterator[Running]:
    """A process that is gone when the block ends."""
    process = await installation.start(*arguments, **variables)
    try:
        yield process
    finally:
        await process.kill()


def api(url: str) -> httpx.AsyncClient:
    """A client of ``/api`` as the administrator."""
    return httpx.AsyncClient(
        base_url=f"{url}/api/v1/gateway",
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
        timeout=30,
        trust_env=False,
    )


async def made(client: httpx.AsyncClient, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """POST something that must succeed."""
    answer = await client.post(path, json=body)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of any Paifang."""
    ours = ("PAIFANG_", "ADMIN_KEY", "SQL_DSN", "REDIS_CONN_STRING")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)}
