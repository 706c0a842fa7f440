"""Logs over HTTP, on every database."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, insert, select

from doubles.api import api_of
from paifang.app import open_runtime
from paifang.core.audit import AuditEntry
from paifang.core.db import Database, utc_now
from paifang.core.runtime import Runtime
from paifang.core.settings import CoreSettings
from paifang.modules.gateway.logs import router, service
from paifang.modules.gateway.logs.jobs import CLEANER, prune_logs
from paifang.modules.gateway.logs.models import JournalPosition, Log
from paifang.modules.gateway.logs.rows import row_of
from paifang.modules.gateway.relay.record import Record
from paifang.modules.gateway.settings import GatewaySettings

URL = "/api/v1/gateway/logs"
START = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
async def runtime(settings: CoreSettings) -> AsyncIterator[Runtime]:
    runtime = open_runtime(settings)
    yield runtime
    await runtime.db.close()


@pytest.fixture
async def api(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    app = api_of(runtime)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"authorization": f"Bearer {runtime.secrets.admin_key}"},
    ) as client:
        yield client


async def _add(db: Database, count: int, **values: Any) -> None:
    """Logs r0, r1, ..., one minute apart, oldest first."""
    rows = []
    for number in range(count):
        record = Record(
            request_id=f"r{number}",
            started_at=(START + timedelta(minutes=number)).timestamp(),
            group_id=f"g{number % 2}",
            model=f"m{number % 3}",
            endpoint="/v1/chat/completions",
            status=(200, 429, 502, 499)[number % 4],
            outcome=("completed", "refused", "upstream_error", "client_gone")[number % 4],
            token_id=f"t{number % 2}",
            channel_id=None if number % 4 == 1 else "c",
            input=10 * number,
            cost=None if number == 1 else number * 1_250_000,
        )
        rows.append({**row_of(record.to_bytes()), **values})
    async with db.transaction() as session:
        await session.execute(insert(Log), rows)


async def _count(db: Database) -> int:
    async with db.reading() as session:
        return await session.scalar(select(func.count()).select_from(Log)) or 0


async def test_a_log_is_read_by_its_request_id(api: httpx.AsyncClient, runtime: Runtime) -> None:
    await _add(runtime.db, 3)
    log = (await api.get(f"{URL}/r2")).json()
    assert log["started_at"] == "2026-03-04T12:02:00Z"
    assert (log["group_id"], log["model"], log["status"]) == ("g0", "m2", 502)
    assert (log["input"], log["estimated"], log["stream"]) == (20, False, False)
    assert (log["cost"], log["currency"], log["unpriced"]) == ("0.0025", "USD", False)
    unpriced = (await api.get(f"{URL}/r1")).json()
    assert (unpriced["cost"], unpriced["unpriced"]) == (None, True)
    free = (await api.get(f"{URL}/r0")).json()
    assert (free["cost"], free["unpriced"]) == ("0", False)
    missing = await api.get(f"{URL}/r3")
    assert (missing.status_code, missing.json()["code"]) == (404, "log_not_found")
    assert (await api.get(f"{URL}/a%00b")).status_code == 404
    assert (await api.get(f"{URL}/a%01b")).status_code == 422


async def test_a_call_without_tokens_is_not_unpriced(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    await _add(runtime.db, 1, cost=None, input=0)
    assert (await api.get(f"{URL}/r0")).json()["unpriced"] is False


async def test_pages_follow_each_other_without_gap_or_repetition(
    api: httpx.AsyncClient, runtime: Runtime, query_count: Any
) -> None:
    await _add(runtime.db, 7)
    seen, before, pages = [], "", 0
    while True:
        with query_count(runtime.db) as queries:
            page = (await api.get(f"{URL}?limit=3{before}")).json()
        assert len(queries) == 1
        seen += [item["request_id"] for item in page["items"]]
        pages += 1
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
        if pages == 1:  # what is added meanwhile does not move the pages
            await _add(runtime.db, 1, request_id="late")
    assert seen == ["r6", "r5", "r4", "r3", "r2", "r1", "r0"]
    assert pages == 3
    exact = (await api.get(f"{URL}?limit=8")).json()
    assert (len(exact["items"]), exact["next"]) == (8, None)


async def test_each_filter_narrows_the_list(api: httpx.AsyncClient, runtime: Runtime) -> None:
    await _add(runtime.db, 8)

    async def found(query: str) -> list[str]:
        answer = await api.get(f"{URL}?{query}")
        assert answer.status_code == 200, answer.text
        return [item["request_id"] for item in answer.json()["items"]]

    assert await found("group_id=g1") == ["r7", "r5", "r3", "r1"]
    assert await found("token_id=t0&status=2xx") == ["r4", "r0"]
    assert await found("channel_id=c&status=4xx") == ["r7", "r3"]
    assert await found("status=5xx") == ["r6", "r2"]
    assert await found("outcome=refused") == ["r5", "r1"]
    assert await found("model=m1") == ["r7", "r4", "r1"]
    assert await found("request_id=r4") == ["r4"]
    assert await found("started_from=2026-03-04T12:06:00Z") == ["r7", "r6"]
    assert await found("started_to=2026-03-04T20:02:00%2B08:00") == ["r1", "r0"]
    assert await found("group_id=g0&model=m1&status=2xx&outcome=completed") == ["r4"]


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "before=0",
        "before=9223372036854775808",
        "status=200",
        "outcome=fine",
        "started_from=2026-03-04T12:00:00",
        "started_from=0001-01-01T00:00:00%2B14:00",
        "model=a%00b",
        "colour=red",
    ],
)
async def test_a_filter_that_cant_be_right_is_refused_by_its_name(
    api: httpx.AsyncClient, query: str
) -> None:
    answer = await api.get(f"{URL}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


async def test_old_logs_are_deleted_in_batches_and_that_is_audited(
    api: httpx.AsyncClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _add(runtime.db, 8)
    monkeypatch.setattr(service, "PRUNE_BATCH", 2)
    monkeypatch.setattr(service.prune, "__kwdefaults__", {"batch": 2})
    monkeypatch.setattr(router, "MAX_BATCHES", 2)
    before = "2026-03-04T12:05:00Z"
    first = await api.delete(URL, params={"before": before})
    assert first.json() == {"deleted": 4, "more": True}
    second = await api.delete(URL, params={"before": before})
    assert second.json() == {"deleted": 1, "more": False}
    left = (await api.get(URL)).json()["items"]
    assert [item["request_id"] for item in left] == ["r7", "r6", "r5"]
    async with runtime.db.reading() as session:
        entries = list(await session.scalars(select(AuditEntry)))
    assert [entry.action for entry in entries] == ["gateway.log.delete"] * 2
    assert entries[0].changes == {"before": "2026-03-04T12:05:00+00:00"}
    for bad in ({}, {"before": "yesterday"}, {"before": "2026-03-04T12:05:00"}):
        assert (await api.delete(URL, params=bad)).status_code == 422
    assert await _count(runtime.db) == 3


async def test_pruning_takes_the_oldest_and_only_those_that_are_old_enough(db: Database) -> None:
    await _add(db, 5)
    async with db.transaction() as session:
        assert (
            await service.prune(
                session, caller=CLEANER, older_than=START + timedelta(minutes=4), batch=3
            )
            == 3
        )
    async with db.transaction() as session:
        assert (
            await service.prune(
                session, caller=CLEANER, older_than=START + timedelta(minutes=4), batch=3
            )
            == 1
        )
    async with db.transaction() as session:
        assert (
            await service.prune(
                session, caller=CLEANER, older_than=START + timedelta(minutes=4), batch=3
            )
            == 0
        )
    assert await _count(db) == 1


async def test_forgotten_positions_are_pruned(db: Database) -> None:
    async with db.transaction() as session:
        for name, age in (("old", 400), ("new", 1)):
            session.add(
                JournalPosition(
                    segment=name, position=1, updated_at=utc_now() - timedelta(days=age)
                )
            )
    async with db.transaction() as session:
        year_ago = utc_now() - timedelta(days=365)
        assert await service.prune_positions(session, older_than=year_ago) == 1
    async with db.reading() as session:
        assert list(await session.scalars(select(JournalPosition.segment))) == ["new"]


class Run:
    """Runs the steps of a job at once."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.transaction = runtime.db.transaction
        self.steps = 0

    async def step(self, function: Any) -> Any:
        self.steps += 1
        return await function(self)


@pytest.mark.parametrize(("days", "left"), [(30, 2), (0, 5)])
async def test_the_job_prunes_what_is_older_than_the_setting(
    settings: CoreSettings, db: Database, monkeypatch: pytest.MonkeyPatch, days: int, left: int
) -> None:
    monkeypatch.setattr(service, "PRUNE_BATCH", 2)
    monkeypatch.setattr(service.prune, "__kwdefaults__", {"batch": 2})
    gateway = replace(settings.area(GatewaySettings), log_days=days)
    runtime = open_runtime(replace(settings, gateway=gateway))
    await _add(db, 3)
    await _add(db, 1, request_id="new", started_at=utc_now())
    await _add(db, 1, request_id="young", started_at=utc_now() - timedelta(days=29))
    run = Run(runtime)
    await prune_logs.function(run)
    assert await _count(db) == left
    assert run.steps == (3 if days else 2)
    await runtime.db.close()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_logs_are_for_those_with_the_key(api: httpx.AsyncClient) -> None:
    for method, path in (("GET", ""), ("GET", "/r1"), ("DELETE", "?before=2026-01-01T00:00:00Z")):
        stranger = await api.request(method, URL + path, headers={"authorization": "Bearer no"})
        assert stranger.status_code == 401
