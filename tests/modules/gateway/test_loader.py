"""The loader: a change is in force when its request is answered, and soon everywhere else."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.cache import Cache, MemoryCache, open_cache
from paifang.core.db import Database, bump_version
from paifang.core.pagination import PageQuery
from paifang.core.runtime import Runtime
from paifang.core.settings import RedisSettings, Secret
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.relay.auth import RequestHead, authenticate
from paifang.modules.gateway.relay.errors import Refusal
from paifang.modules.gateway.relay.snapshot import Snapshot
from paifang.modules.gateway.snapshot import loader as loader_module
from paifang.modules.gateway.snapshot.loader import Loader
from paifang.modules.gateway.tokens import reading
from paifang.modules.gateway.tokens import service as tokens

NEVER = 3600.0
"""Seconds between polls, where a poll must not be what helps."""
SOON = 10.0
"""Seconds a test waits for what must happen."""


class Process:
    """One process's loader and the snapshots it was given."""

    def __init__(self, runtime: Runtime, db: Database, poll: float, cache: Cache | None) -> None:
        self.snapshot = Snapshot()
        self.loads = 0
        self._news = asyncio.Condition()
        self._waking: set[asyncio.Task[None]] = set()
        self.loader = Loader(db, runtime.secrets, self._use, poll, cache)

    def _use(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.loads += 1
        task = asyncio.create_task(self._wake())
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, wanted: Callable[[Snapshot], bool]) -> None:
        async with asyncio.timeout(SOON), self._news:
            await self._news.wait_for(lambda: wanted(self.snapshot))

    def status(self, key: str) -> str | None:
        token = self.snapshot.tokens.get(hashlib.sha256(key.encode()).digest())
        return None if token is None else token.status


Start = Callable[..., AbstractAsyncContextManager[Process]]


@pytest.fixture
def start(runtime: Runtime, db: Database) -> Start:
    @asynccontextmanager
    async def started(
        *, database: Database = db, poll: float = NEVER, cache: Cache | None = None
    ) -> AsyncIterator[Process]:
        process = Process(runtime, database, poll, cache)
        await process.loader.start()
        try:
            yield process
        finally:
            await process.loader.close()

    return started


@pytest.fixture
async def elsewhere(db: Database) -> AsyncIterator[Database]:
    """Another process's way into the same database."""
    other = Database(db.url)
    yield other
    await other.close()


async def make_token(api: httpx.AsyncClient) -> tuple[str, str]:
    await api.post("/groups", json={"id": "team"})
    made = (await api.post("/tokens", json={"group_id": "team", "name": "a"})).json()
    return made["id"], made["key"]


async def add_group(db: Database, name: str) -> None:
    async with db.transaction() as session:
        session.add(Group(id=name))
        await bump_version(session, "gateway")


async def test_what_is_in_the_tables_is_loaded_before_the_start_is_over(
    db: Database, start: Start
) -> None:
    await add_group(db, "team")
    async with start() as process:
        assert "team" in process.snapshot.groups
        assert process.loader.version == process.snapshot.version == 1


async def test_every_change_is_in_force_when_its_request_is_answered(
    api: httpx.AsyncClient, start: Start
) -> None:
    async with start() as process:
        token_id, key = await make_token(api)
        assert process.status(key) == "enabled"
        await api.patch(f"/tokens/{token_id}", json={"status": "disabled"})
        assert process.status(key) == "disabled"
        await api.patch(f"/tokens/{token_id}", json={"status": "enabled"})
        new = (await api.post(f"/tokens/{token_id}/rotate")).json()["key"]
        assert (process.status(key), process.status(new)) == (None, "enabled")
        await api.post(f"/tokens/{token_id}/revoke")
        assert process.status(new) == "revoked"
        await api.delete(f"/tokens/{token_id}")
        assert process.status(new) is None
        await api.patch("/groups/team", json={"status": "disabled"})
        assert not process.snapshot.groups["team"].enabled
        await api.post("/prices", json={"model": "gpt", "input": "1", "output": "1"})
        assert "gpt" in process.snapshot.prices


async def test_the_tokens_of_a_deleted_group_are_refused_at_once_as_unknown_keys(
    api: httpx.AsyncClient, start: Start
) -> None:
    async with start() as process:
        _, key = await make_token(api)
        head = RequestHead(bearer=key)
        known = authenticate(process.snapshot, head, internal_key=b"k" * 32, now=0)
        assert known.group.id == "team"
        await api.delete("/groups/team")
        with pytest.raises(Refusal) as caught:
            authenticate(process.snapshot, head, internal_key=b"k" * 32, now=0)
        assert caught.value.status == 401


async def test_a_change_that_is_rolled_back_is_never_seen(db: Database, start: Start) -> None:
    async with start() as process:
        with pytest.raises(RuntimeError):
            async with db.transaction() as session:
                session.add(Group(id="team"))
                await bump_version(session, "gateway")
                raise RuntimeError
        assert process.loads == 1


async def test_a_change_of_another_process_is_found_by_looking(
    api: httpx.AsyncClient, elsewhere: Database, start: Start, actor: Principal
) -> None:
    async with start(poll=0.05) as process:
        token_id, key = await make_token(api)
        found = process.snapshot.tokens
        async with elsewhere.transaction() as session:
            (token,) = (
                await reading.list_page(
                    session, caller=actor, paging=PageQuery(page=1, page_size=9, sort="")
                )
            ).items
            assert str(token["id"]) == token_id
            await tokens.revoke(session, actor=actor, token_id=token["id"])
        await process.until(lambda s: s.tokens is not found and process.status(key) == "revoked")


async def test_looking_loads_nothing_while_nothing_changes(db: Database, start: Start) -> None:
    reads = 0
    real = loader_module.read_version
    seen = asyncio.Event()

    async def counting(session: AsyncSession, name: str) -> int:
        nonlocal reads
        reads += 1
        if reads > 4:
            seen.set()
        return await real(session, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loader_module, "read_version", counting)
        async with start(poll=0.01) as process:
            async with asyncio.timeout(SOON):
                await seen.wait()
            assert process.loads == 1


async def test_a_version_that_went_back_is_a_change_too(db: Database, start: Start) -> None:
    """A restored backup counts from further back."""
    for name in ("a", "b"):
        await add_group(db, name)
    async with start(poll=0.05) as process:
        assert process.snapshot.version == 2
        async with db.engine.begin() as connection:
            await connection.exec_driver_sql("update counters set value = 1")
        await process.until(lambda s: s.version == 1)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_processes_tell_each_other_to_look_through_the_cache(
    db: Database, elsewhere: Database, start: Start, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "redis":
        url = Secret(request.getfixturevalue("redis_url"))
        caches = [open_cache(RedisSettings(url=url), installation="one") for _ in range(2)]
    else:
        shared = MemoryCache()
        caches = [shared, shared]
    async with start(cache=caches[0]), start(database=elsewhere, cache=caches[1]) as other:
        # Redis subscribes in the background: what is told before that is told to nobody.
        for number in range(100):
            await add_group(db, f"g{number}")
            try:
                async with asyncio.timeout(0.2):
                    await other.until(lambda s, name=f"g{number}": name in s.groups)  # type: ignore[misc]  # mypy and lambdas with defaults
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("the other process never heard of it")
    for cache in set(caches):
        await cache.close()


async def test_changes_at_the_same_moment_share_loads_and_none_is_missed(
    db: Database, start: Start
) -> None:
    await add_group(db, "first")
    async with start() as process:
        before = process.loads

        async def change(number: int) -> None:
            await add_group(db, f"g{number}")
            assert f"g{number}" in process.snapshot.groups

        await asyncio.gather(*(change(number) for number in range(20)))
        assert process.loads - before <= 20


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_load_that_began_before_a_commit_does_not_count_for_it(
    db: Database, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loader_module.load
    begun, go_on = asyncio.Event(), asyncio.Event()
    running = waiting = 0
    all_wait = asyncio.Event()

    async def slow(*args: Any) -> Snapshot:
        nonlocal running
        running += 1
        assert running == 1
        snapshot = await real(*args)
        begun.set()
        await go_on.wait()
        running -= 1
        return snapshot

    async with asyncio.timeout(SOON), start() as process:
        monkeypatch.setattr(loader_module, "load", slow)
        real_load = process.loader._load

        async def noticed() -> None:
            nonlocal waiting
            waiting += 1
            if waiting == 4:
                all_wait.set()
            await real_load()

        monkeypatch.setattr(process.loader, "_load", noticed)
        first = asyncio.create_task(process.loader.refresh())
        await begun.wait()  # it has read the tables already
        changes = [asyncio.create_task(add_group(db, f"g{n}")) for n in range(3)]
        await all_wait.wait()
        assert process.loads == 1
        go_on.set()
        await asyncio.gather(first, *changes)
        assert set(process.snapshot.groups) == {"g0", "g1", "g2"}
        assert process.loads == 3  # the first, and one that the three changes share


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_while_the_database_is_away_the_last_snapshot_stays_and_one_warning_is_given(
    db: Database, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = 0
    enough = asyncio.Event()
    real = db.reading

    def away() -> Any:
        nonlocal failures
        failures += 1
        if failures >= 5:
            enough.set()
        raise ConnectionRefusedError("no database")

    await add_group(db, "team")
    async with start(poll=0.01) as process:
        with caplog.at_level(logging.WARNING):
            monkeypatch.setattr(db, "reading", away)
            async with asyncio.timeout(SOON):
                await enough.wait()
                # The commit itself stands: its caller must not be told that it failed.
                await add_group(db, "new")
        assert set(process.snapshot.groups) == {"team"}
        warnings = [r for r in caplog.records if "gateway's tables" in r.getMessage()]
        assert len(warnings) == 1
        monkeypatch.setattr(db, "reading", real)
        await process.until(lambda s: "new" in s.groups)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_start_without_a_database_fails_loudly(
    runtime: Runtime, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(runtime, db, NEVER, None)

    def away() -> Any:
        raise ConnectionRefusedError("no database")

    monkeypatch.setattr(db, "reading", away)
    with pytest.raises(ConnectionRefusedError):
        await process.loader.start()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_closed_loader_loads_nothing_more(db: Database, start: Start) -> None:
    async with start(poll=0.01) as process:
        pass
    await add_group(db, "team")
    assert process.loads == 1
    await process.loader.close()


async def test_a_load_lets_other_work_have_its_turn(
    db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with db.transaction() as session:
        session.add_all([Group(id=f"g{number}") for number in range(500)])
    monkeypatch.setattr(loader_module, "BATCH", 5)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await loader_module.load(db, runtime.secrets)
    task.cancel()
    assert turns >= 100
