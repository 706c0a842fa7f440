"""Logs as CSV and as they come in: what the caller sees, bounded, and ended when it is time."""

import asyncio
import csv
import io
from typing import Any, Self

import httpx
import orjson
import pytest

from modules.gateway.people import People, made
from modules.gateway.test_members_tokens import token
from modules.gateway.test_teams import join, team
from modules.gateway.test_usage import log_calls
from paifang.core.auth import Principal
from paifang.core.db import Database
from paifang.core.runtime import Runtime
from paifang.core.scope import EVERYTHING
from paifang.modules.gateway.logs import export, tail
from paifang.modules.gateway.permissions import GatewayPermission

FROM = {"started_from": "2026-03-01T00:00:00Z", "started_to": "2026-03-10T00:00:00Z"}


async def rows(client: httpx.AsyncClient, **query: Any) -> list[dict[str, str]]:
    answer = await client.get("/logs/export", params={**FROM, **query})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_an_export_is_what_the_caller_sees_in_as_many_batches_as_it_takes(
    people: People, api: httpx.AsyncClient, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH", 3)
    ann, bob = await people.make("ann"), await people.make("bob")
    group = await team(ann)
    await join(db, ann, group, bob, "member")
    his = await token(bob, group, "two")
    fields = {"group_id": group, "token_id": his["id"], "model": "m1"}
    await log_calls(db, *({**fields, "minutes": n} for n in range(5)))
    await log_calls(db, {"group_id": group, "model": "=1+1"}, {"group_id": "else"})
    assert len(await rows(api)) == 7
    hers = await rows(ann.api)
    assert len(hers) == 6
    assert {row["model"] for row in hers} == {"m1", "'=1+1"}
    assert "channel_name" not in hers[0]
    assert len(await rows(bob.api)) == len(await rows(ann.api, model="m1")) == 5
    monkeypatch.setattr(export, "MOST", 4)
    cut = (await api.get("/logs/export", params=FROM)).text.splitlines()
    assert len(cut) == 6
    assert cut[-1].startswith("cut off after 4 rows")
    refused = await api.get("/logs/export", params={**FROM, "started_to": "2027-03-10T00:00:00Z"})
    assert refused.json()["code"] == "time_too_long"


@pytest.mark.usefixtures("quick")
async def test_mine_leaves_out_what_only_a_role_shows(
    people: People, runtime: Runtime, db: Database
) -> None:
    wide = {f"gateway.{name}:read": EVERYTHING for name in ("logs", "usage")}
    ann, boss = await people.make("ann"), await people.make("boss", grants=wide)
    group = await team(ann)
    await join(db, ann, group, boss, "member")
    hers, his = await token(ann, group, "one"), await token(boss, group, "two")
    for made_token, model in ((hers, "m1"), (his, "m2")):
        fields = {"group_id": group, "token_id": made_token["id"], "model": model}
        await log_calls(db, fields)

    async def listed(**query: Any) -> list[str]:
        page = made(await boss.api.get("/logs", params=query), 200)
        return sorted(log["model"] for log in page["items"])

    assert await listed() == ["m1", "m2"]
    assert await listed(mine="true") == ["m2"]
    assert [row["model"] for row in await rows(boss.api, mine="true")] == ["m2"]
    period = {"from": FROM["started_from"], "to": FROM["started_to"]}
    for mine, calls in (("false", 2), ("true", 1)):
        query = period | {"mine": mine}
        found = made(await boss.api.get("/usage", params=query), 200)
        assert found["series"][0]["totals"]["calls"] == calls
        found = made(await boss.api.get("/overview", params=query), 200)
        assert found["totals"]["calls"] == calls
    runtime.draining = True  # a live view then ends after the first look
    live = (await boss.api.get("/logs/tail", params={"after": 0, "mine": "true"})).text
    assert "m2" in live
    assert "m1" not in live


class Live:
    """The events of a live view."""

    def __init__(self, runtime: Runtime, caller: Principal, **filters: Any) -> None:
        self.allowed: Principal | None = caller

        async def renew() -> Principal | None:
            return self.allowed

        self.stream = tail.events(
            runtime, renew=renew, caller=caller, currency="USD", after=None, filters=filters
        )

    async def __aenter__(self) -> Self:
        assert await anext(self.stream) == b": open\n\n"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stream.aclose()  # type: ignore[attr-defined]  # it is a generator

    async def next(self) -> tuple[str, dict[str, Any]]:
        async with asyncio.timeout(10):
            while True:
                text = (await anext(self.stream)).decode()
                if text.startswith("event: "):
                    lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
                    return lines["event"], orjson.loads(lines["data"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "PAUSE", 0.02)


@pytest.mark.usefixtures("quick")
async def test_a_live_view_tells_each_call_once_to_whoever_may_see_it(
    people: People, runtime: Runtime, db: Database
) -> None:
    ann, bob = await people.make("ann"), await people.make("bob")
    group = await team(ann)
    await join(db, ann, group, bob, "member")
    hers, his = await token(ann, group, "one"), await token(bob, group, "two")
    await log_calls(db, {"group_id": group, "model": "before"})
    callers = [person.under(GatewayPermission.LOGS_READ) for person in (ann, bob)]
    async with Live(runtime, callers[0]) as one, Live(runtime, callers[1]) as two:
        for made_token, model in ((hers, "m1"), (his, "m2"), (hers, "m3"), (his, "m4")):
            fields = {"group_id": group, "token_id": made_token["id"], "model": model}
            await log_calls(db, fields)
            event, log = await one.next()
            assert (event, log["model"], log["currency"]) == ("log", model, "USD")
            assert log["channel_name"] == ""
        assert [(await two.next())[1]["model"] for _ in range(2)] == ["m2", "m4"]
        assert tail.watchers(runtime).count == 2
    assert tail.watchers(runtime).count == 0


@pytest.mark.usefixtures("quick")
async def test_a_live_view_says_what_it_left_out(
    runtime: Runtime, db: Database, actor: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "BATCH", 3)
    async with Live(runtime, actor, model="m") as live:
        await log_calls(db, *({"model": "m"} for _ in range(5)), {"model": "other"})
        event, told = await live.next()
        assert event == "skipped"
        found = [(await live.next())[1]["id"] for _ in range(3)]
        assert found == [told["before"], told["before"] + 1, told["before"] + 2]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_live_view_ends_with_the_process_its_time_or_the_callers_rights(
    runtime: Runtime, actor: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Live(runtime, actor) as live:
        runtime.draining = True
        assert await live.next() == ("end", {"reason": "shutdown"})
    runtime.draining = False
    monkeypatch.setattr(tail, "HEARTBEAT", 0.0)
    async with Live(runtime, actor) as live:
        live.allowed = None
        assert await live.next() == ("end", {"reason": "signed_out"})
    monkeypatch.setattr(tail, "LIFETIME", 0.0)
    async with Live(runtime, actor) as live:
        assert await live.next() == ("end", {"reason": "lifetime"})


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_over_http_a_live_view_is_a_stream_of_events_and_there_are_only_so_many(
    api: httpx.AsyncClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.draining = True
    answer = await api.get("/logs/tail")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.endswith('event: end\ndata: {"reason":"shutdown"}\n\n')
    monkeypatch.setattr(tail, "MOST", 0)
    refused = await api.get("/logs/tail")
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_watchers")
    assert refused.headers["retry-after"] == "10"
    made(await api.get("/logs"), 200)
