"""Clients that keep count of their calls, and the ledger held against it.

For tests that take something away from a gateway for a while: each call has a name, which travels
as its user agent and is kept in the logs.
"""

import asyncio
import contextlib
import itertools
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import URL, func, select

from doubles.installation import ADMIN_KEY, Installation, made
from doubles.openai_upstream import OpenAIDouble
from paifang import migrate
from paifang.api import create_api
from paifang.app import open_runtime
from paifang.core.db import Database
from paifang.core.settings import load
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.tokens.models import Token
from paifang.registry import MODULES, settings_areas

GROUP, NAME = "team", "tally"
COST = 3 * 1_000 + 3 * 2_000
"""Nanos of a call: three model tokens in, and the double's three out."""
SECONDS = 20.0
"""Longest wait for anything that is to happen soon; a busy machine is slow."""
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

_names = itertools.count()


@dataclass
class Tally:
    """What clients with one key saw."""

    key: str
    answered: dict[str, str] = field(default_factory=dict)
    """Request ids by name, of calls whose whole answer came."""
    refused: Counter[str] = field(default_factory=Counter)
    """Calls by the code of their error."""
    withheld: set[str] = field(default_factory=set)
    """Names of calls that were refused: none of them may be in the ledger as completed."""
    slowest: float = 0.0
    """Seconds."""

    async def call(self, url: str, http: httpx.AsyncClient, **body: Any) -> str:
        """One call; empty when it was answered in full, else the code of its error.

        Raises ``httpx.TransportError`` when the gateway does not speak.
        """
        name = f"call-{next(_names)}"
        asked = {
            "model": "chat",
            "messages": [{"role": "user", "content": "one two three"}],
            **body,
        }
        headers = {"authorization": f"Bearer {self.key}", "user-agent": name}
        began = time.monotonic()
        answer = await http.post(f"{url}/v1/chat/completions", json=asked, headers=headers)
        self.slowest = max(self.slowest, time.monotonic() - began)
        error = _error(answer)
        if error:
            self.refused[error] += 1
            self.withheld.add(name)
        else:
            self.answered[name] = answer.headers["x-request-id"]
        return error

    async def until(
        self, over: Callable[[], bool], url: str, *, pause: float = 0.02, **body: Any
    ) -> None:
        """Call again and again until it is over."""
        async with client() as http:
            while not over():
                await self.call(url, http, **body)
                await asyncio.sleep(pause)

    async def for_seconds(self, seconds: float, url: str, **body: Any) -> None:
        """Call again and again for so long."""
        end = time.monotonic() + seconds
        await self.until(lambda: time.monotonic() >= end, url, **body)

    async def stored(self, database: Database) -> None:
        """Wait until the ledger has every call that was answered; then hold it against them."""
        deadline = time.monotonic() + SECONDS
        while True:
            async with database.reading() as session:
                count = await session.scalar(
                    select(func.count()).select_from(Log).where(Log.outcome == "completed")
                )
            if (count or 0) >= len(self.answered):
                break
            assert time.monotonic() < deadline, f"{count} of {len(self.answered)} calls are stored"
            await asyncio.sleep(0.1)
        await self.check(database)

    async def check(self, database: Database) -> None:
        """Nothing is lost, nothing doubled, and nothing billed that was not delivered."""
        async with database.reading() as session:
            logs = list(await session.scalars(select(Log)))
            token = (await session.scalars(select(Token).where(Token.name == NAME))).one()
            group = (await session.scalars(select(Group))).one()
        names = Counter(log.user_agent for log in logs)
        assert [name for name, times in names.items() if times > 1] == []
        completed = {log.user_agent: log for log in logs if log.outcome == "completed"}
        assert {name: log.request_id for name, log in completed.items()} == self.answered
        assert {log.cost for log in completed.values()} <= {COST}
        cost = sum(log.cost or 0 for log in logs)
        assert cost == COST * len(self.answered)
        assert (token.used, token.requests) == (cost, len(logs))
        assert (group.used, group.requests) == (cost, len(logs))


def _error(answer: httpx.Response) -> str:
    if answer.status_code != 200:
        return str(answer.json()["error"]["code"])
    if answer.headers["content-type"].startswith("text/event-stream"):
        if answer.text.endswith("data: [DONE]\n\n"):
            return ""
        last = answer.text.rstrip("\n").rpartition("\n\n")[2]
        event = httpx.Response(200, content=last.removeprefix("data: ")).json()
        return str(event["error"]["code"])
    assert answer.json()["choices"]
    return ""


def client() -> httpx.AsyncClient:
    """A client of plain HTTP."""
    return httpx.AsyncClient(timeout=30, trust_env=False, verify=NO_TLS)


@contextlib.asynccontextmanager
async def opened(url: URL | Path) -> AsyncIterator[Database]:
    """A database, also by the file of an SQLite one; nothing of it stays open."""
    if isinstance(url, Path):
        url = URL.create("sqlite+aiosqlite", database=str(url))
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


async def prepare(installation: Installation, double: OpenAIDouble, **channel: Any) -> Tally:
    """A database with a channel for ``chat``, a price, and a token for a tally.

    The process that makes them is this one: to start another takes longer than most tests.
    """
    settings = load(
        settings_areas(MODULES), environ=installation.variables, folder=installation.folder
    )
    runtime = open_runtime(settings)
    await migrate.upgrade(runtime.db, backups=settings.home)
    app = create_api(runtime.modules)
    app.state.runtime = runtime
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://paifang.test/api/v1/gateway",
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
    ) as admin:
        values = {"name": "double", "provider": "openai", "base_url": double.url}
        await made(admin, "/channels", {**values, "models": ["chat"], **channel})
        await made(admin, "/prices", {"model": "chat", "input": "1", "output": "2"})
        await made(admin, "/groups", {"id": GROUP})
        token = await made(admin, "/tokens", {"group_id": GROUP, "name": NAME})
    await runtime.db.close()
    return Tally(token["key"])


@contextlib.asynccontextmanager
async def calling(tally: Tally, url: str, **body: Any) -> AsyncIterator[None]:
    """Two clients that call as long as the block lasts: one for JSON, one for streams."""
    over = False

    def is_over() -> bool:
        return over

    tasks = [
        asyncio.create_task(tally.until(is_over, url, **body)),
        asyncio.create_task(tally.until(is_over, url, stream=True, **body)),
    ]
    try:
        yield
    finally:
        over = True
        await asyncio.gather(*tasks)
