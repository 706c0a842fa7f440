"""A page of 20 rows from a list of 100,000 that one person may see: Paifang's, and the plain way.

Each side is one process on one core, on uvicorn with uvloop and httptools; the load comes from
another process over 8 connections. Rounds alternate, the median counts. What is told is requests
per second of the server's own CPU time, so that a database that computes elsewhere, or a busy
neighbour, decides nothing.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil
from process import PROXY_CPU, free_port
from results import Results
from sqlalchemy import insert, make_url

from paifang.core.db import Base, Database
from paifang.core.ids import uuid7
from paifang.modules.accounts.users.models import User
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.members.models import GroupMember
from paifang.modules.gateway.tokens.models import Token
from paifang.registry import MODULES, import_models

HERE = Path(__file__).parent
ROWS = 100_000
"""That the person sees; as many again are others'."""
CONNECTIONS = 8


async def seed(url: str) -> UUID:
    """Fill an empty database; returns the person."""
    import_models(MODULES)
    database = Database(make_url(url))
    person, other = uuid7(), uuid7()
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with database.transaction() as session:
        for who, name in ((person, "somebody"), (other, "else")):
            session.add(
                User(id=who, email=f"{name}@example.com", display_name=name, status="active")
            )
        session.add_all([Group(id="ours"), Group(id="theirs")])
        await session.flush()
        session.add(GroupMember(group_id="ours", user_id=person, role="owner"))
        session.add(GroupMember(group_id="theirs", user_id=other, role="owner"))
    for start in range(0, ROWS * 2, 2000):
        rows = [
            {
                "number": number,
                "group_id": "ours" if number % 2 else "theirs",
                "name": f"t{number}",
                "digest": f"{number:064x}",
                "prefix": "pf_live_abcdefgh",
                "last_four": "wxyz",
                "models": ["small", "large"],
                "created_by": str(person),
                "user_id": person if number % 2 else other,
            }
            for number in range(start, start + 2000)
        ]
        async with database.engine.begin() as connection:
            await connection.execute(insert(Token), rows)
    async with database.engine.begin() as connection:
        if database.kind != "mariadb":
            await connection.exec_driver_sql("analyze")
    await database.close()
    return person


@contextlib.contextmanager
def serving(program: str, port: int, *arguments: str) -> Iterator[psutil.Process]:
    """A server on its own core, until the block ends."""
    command = [sys.executable, str(HERE / program), *arguments, str(port)]
    server = subprocess.Popen(command)  # our own
    try:
        if PROXY_CPU is not None:
            os.sched_setaffinity(server.pid, {PROXY_CPU})
        yield psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(10)


def wait_for(url: str) -> dict[str, object]:
    """The first answer."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # the loopback
                found: dict[str, object] = json.loads(answer.read())
                return found
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


async def load(port: int, path: str, seconds: float) -> int:
    """Ask over some connections for so long; says how many answers there were."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    until = time.monotonic() + seconds

    async def ask() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        count = 0
        while time.monotonic() < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{path}: {head!r}")
            length = next(
                int(line.partition(b":")[2])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            count += 1
        writer.close()
        return count

    return sum(await asyncio.gather(*(ask() for _ in range(CONNECTIONS))))


@dataclass
class Side:
    """What is measured beside the others."""

    name: str
    process: psutil.Process
    port: int
    path: str


OURS, PLAIN, NARROW = "Paifang", "plain", "plain, with Paifang's SQL"


def cpu(process: psutil.Process) -> float:
    """Seconds of CPU time so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def measure(results: Results, home: Path, database: str, *, rounds: int, seconds: float) -> None:
    """Fill a database and ask all sides in turn.

    Args:
        results: Gets ``cpu_rate`` (requests per second of CPU) and ``rate`` (per second) of each
            side, by round, in the scenario ``lists``.
        home: An empty folder.
        database: URL of an empty database; empty for SQLite in the folder.
        rounds: How often each side has its turn.
        seconds: Of a turn.
    """
    url = database or f"sqlite+aiosqlite:///{home}/lists.db"
    person = str(asyncio.run(seed(url)))
    ports = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(serving("lists_ours.py", ports[0], str(home), url, person))
        plain = stack.enter_context(serving("lists_plain.py", ports[1], url, person))
        sides = (
            Side(OURS, ours, ports[0], "/api/v1/gateway/tokens?page_size=20"),
            Side(PLAIN, plain, ports[1], "/tokens?page_size=20"),
            Side(NARROW, plain, ports[1], "/narrow?page_size=20"),
        )
        for side in sides:
            first = wait_for(f"http://127.0.0.1:{side.port}{side.path}")
            if len(first["items"]) != 20:  # type: ignore[arg-type]  # else it fails by itself
                raise RuntimeError(f"{side.name} does not show 20 rows: {first}")
            asyncio.run(load(side.port, side.path, seconds / 4))  # warm up
        for round_ in range(rounds):
            for side in sides[round_ % 3 :] + sides[: round_ % 3]:
                before = cpu(side.process)
                count = asyncio.run(load(side.port, side.path, seconds))
                used = cpu(side.process) - before
                results.put(side.name, "lists", "cpu_rate", round_, count / used)
                results.put(side.name, "lists", "rate", round_, count / seconds)
