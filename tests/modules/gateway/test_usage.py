"""Usage: sums by the hour are the logs' own, for whoever may see them, in anybody's time zone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from doubles.ledger import call
from modules.gateway.people import People, made
from modules.gateway.test_members_tokens import token
from modules.gateway.test_teams import join, team
from paifang.core.db import Database
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.logs.rows import row_of
from paifang.modules.gateway.usage import rolling
from paifang.modules.gateway.usage.figures import percentile
from paifang.modules.gateway.usage.periods import Period

START = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
NOW = timedelta(0)


async def log_calls(db: Database, *calls: dict[str, Any]) -> None:
    async with db.transaction() as session:
        for fields in calls:
            minutes = fields.pop("minutes", 0)
            moment = (START + timedelta(minutes=minutes)).timestamp()
            record = call(request_id=str(uuid4()), started_at=moment, **fields)
            session.add(Log(**row_of(record.to_bytes())))


async def roll(db: Database) -> None:
    """Sum up all that is there."""
    for _ in range(2):  # the first only notes how far the logs go
        async with db.transaction() as session:
            await rolling.roll(session, settled=NOW)


PERIOD = {"from": "2026-03-04T00:00:00Z", "to": "2026-03-06T00:00:00Z"}


async def usage(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    return made(await client.get("/usage", params={**PERIOD, **query}), 200)


async def test_sums_are_the_same_before_while_and_after_they_are_stored(
    api: httpx.AsyncClient, db: Database
) -> None:
    calls = [
        {"group_id": "a", "model": "m1", "cost": 5, "input": 3, "cached_input": 2, "output": 7},
        {"group_id": "a", "model": "m2", "cost": None, "input": 0, "output": 1, "minutes": 70},
        {"group_id": "b", "model": "m1", "status": 500, "outcome": "upstream_error", "input": 0},
        {"group_id": "b", "model": "m1", "status": 429, "outcome": "refused", "input": 0},
    ]
    await log_calls(db, *(dict(one) for one in calls))
    asked: list[dict[str, Any]] = [
        {},
        {"by": "model", "step": "hour"},
        {"by": "group"},
        {"by": "channel", "limit": 1, "latency": True},
        {"group_id": "b"},
        {"by": "token", "tz": "Asia/Taipei"},
    ]
    raw = [await usage(api, **query) for query in asked]
    whole = raw[0]["series"][0]["totals"]
    assert (whole["calls"], whole["errors"], whole["refused"], whole["unpriced"]) == (4, 2, 1, 1)
    assert (whole["input"], whole["cached"], whole["cost"]) == (5, 2, "0.000000019")
    await roll(db)
    assert [await usage(api, **query) for query in asked] == raw
    more = {"group_id": "a", "model": "m1", "cost": 1, "output": 1, "input": 0}
    await log_calls(db, dict(more))  # not summed up yet
    mixed = await usage(api)
    assert mixed["series"][0]["totals"]["calls"] == 5
    await roll(db)
    assert await usage(api) == mixed
    # They stay when the logs go.
    assert (await api.delete("/logs", params={"before": "2026-04-01T00:00:00Z"})).status_code == 200
    assert await usage(api) == mixed


async def test_series_are_the_dearest_keys_and_the_rest(
    api: httpx.AsyncClient, db: Database
) -> None:
    calls = [{"model": f"m{n}", "cost": n * 100, "minutes": 60 * n} for n in range(4)]
    await log_calls(db, *calls)
    found = await usage(api, by="model", step="hour", limit=2)
    assert [series["label"] for series in found["series"]] == ["m3", "m2", "other"]
    assert [series["key"] for series in found["series"]] == ["m3", "m2", None]
    rest = found["series"][2]
    assert (rest["totals"]["calls"], rest["totals"]["cost"]) == (2, "0.0000001")
    assert [point["at"] for point in rest["points"]] == [
        "2026-03-04T12:00:00Z",
        "2026-03-04T13:00:00Z",
    ]
    assert len(found["steps"]) == 48


async def test_days_are_those_of_the_time_zone(api: httpx.AsyncClient, db: Database) -> None:
    await log_calls(db, {"minutes": 3 * 60}, {"minutes": 5 * 60})  # 15:00 and 17:00 UTC
    taipei = await usage(api, tz="Asia/Taipei")
    days = [(point["at"], point["calls"]) for point in taipei["series"][0]["points"]]
    assert days == [("2026-03-04T00:00:00+08:00", 1), ("2026-03-05T00:00:00+08:00", 1)]
    assert [p["calls"] for p in (await usage(api))["series"][0]["points"]] == [2]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_a_day_on_which_the_clocks_change_is_one_day(zone: str) -> None:
    begin, end = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    period = Period.of(begin, end, "day", zone)
    known = dict(period._offsets())  # hour until which, to offset
    for hour in range(period.first, period.last):
        offset = next(shift for until, shift in known.items() if hour < until)
        local = datetime.fromtimestamp(hour * 3600, UTC).astimezone(period.zone)
        shift = local.utcoffset()
        assert shift is not None
        assert offset == int(shift.total_seconds() // 3600)
    assert len(period.buckets()) in {275, 276, 277}


async def test_a_period_that_can_not_be_is_refused(api: httpx.AsyncClient) -> None:
    for query in (
        {"from": "2026-03-05T00:00:00Z", "to": "2026-03-04T00:00:00Z"},
        {"from": "2020-01-01T00:00:00Z"},
        {"from": "2026-01-01T00:00:00Z", "step": "hour"},
        {"tz": "Mars/Olympus"},
        {"tz": "../../etc/passwd"},
        {"from": "0001-01-01T00:00:00Z"},
    ):
        answer = await api.get("/usage", params={**PERIOD, **query})
        assert answer.status_code == 422, query


def test_percentiles_are_read_off_the_buckets() -> None:
    assert percentile([0] * 16, 0.5) is None
    assert percentile([10, *[0] * 15], 0.5) == 25
    assert percentile([0, 10, *[0] * 14], 0.95) == 98
    assert percentile([*[0] * 15, 3], 0.5) == 60_000


async def test_members_see_what_they_may_and_the_overview_is_theirs(
    people: People, api: httpx.AsyncClient, db: Database
) -> None:
    ann, bob = await people.make("ann"), await people.make("bob")
    group = await team(ann)
    await join(db, ann, group, bob, "member")
    one, two = await token(ann, group, "one"), await token(bob, group, "two")
    for made_token, cost in ((one, 10), (two, 4)):
        fields = {"group_id": group, "token_id": made_token["id"], "cost": cost}
        await log_calls(db, fields, dict(fields, minutes=-60 * 24 * 40))
    await log_calls(db, {"group_id": "else", "token_id": str(UUID(int=1)), "cost": 1000})
    for _ in range(2):
        hers, his = [await usage(person.api, by="token") for person in (ann, bob)]
        assert [series["label"] for series in hers["series"]] == ["one", "two"]
        assert [series["label"] for series in his["series"]] == ["two"]
        assert his["series"][0]["totals"]["cost"] == "0.000000004"
        view = made(await ann.api.get("/overview", params=PERIOD), 200)
        assert (view["totals"]["calls"], view["before"]["calls"]) == (2, 0)
        assert [top["label"] for top in view["tokens"]] == ["one", "two"]
        assert view["groups"][0]["label"] == "Team"
        assert view["channels"] == []
        await roll(db)
    assert made(await api.get("/overview", params=PERIOD), 200)["totals"]["calls"] == 3
    assert (await ann.api.get("/usage?by=channel")).json()["code"] == "channels_hidden"
    assert (await ann.api.get("/channels/health")).status_code == 403
    made(await api.get("/channels/health"), 200)


async def test_an_overview_takes_a_fixed_number_of_statements(
    api: httpx.AsyncClient, db: Database, query_count: Any
) -> None:
    await log_calls(db, *({"model": f"m{n}", "group_id": f"g{n}"} for n in range(9)))
    with query_count(db) as queries:
        made(await api.get("/overview", params=PERIOD), 200)
    assert len(queries) <= 10
