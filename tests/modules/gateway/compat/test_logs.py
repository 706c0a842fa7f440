"""``/api/logs`` and ``/api/log``, on every database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from paifang.core.audit import AuditEntry
from paifang.core.db import Database
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.logs.rows import row_of
from paifang.modules.gateway.prices.models import Price
from paifang.modules.gateway.relay.record import Record
from paifang.modules.gateway.tokens.models import Token

START = datetime(2026, 3, 4, 12, tzinfo=UTC)
AT = 1_772_625_600_000
MINUTE = 60_000


@pytest.fixture(autouse=True)
async def logs(db: Database) -> None:
    """Twelve calls a minute apart by two groups; the odd ones' token and channel are gone."""
    token = Token(
        number=41,
        group_id="g0",
        name="t0",
        digest="d",
        prefix="pf_live_abcd",
        last_four="wxyz",
        created_by="x",
    )
    channel = Channel(number=51, name="c0", provider="openai", base_url="http://a.test/v1")
    price = Price(model="m0", valid_from=START, input=2_000_000_000, output=500_000, created_by="x")
    async with db.transaction() as session:
        session.add(Group(id="g0"))
        await session.flush()
        session.add_all([token, channel, price])
        await session.flush()
        rows = [
            row_of(
                Record(
                    request_id=f"r{number}",
                    started_at=(START + timedelta(minutes=number)).timestamp(),
                    duration_ms=1500.0,
                    group_id=f"g{number % 2}",
                    token_id=str(token.id) if number % 2 == 0 else "gone",
                    token_name=f"t{number % 2}",
                    channel_id=str(channel.id) if number % 2 == 0 else None,
                    model=f"m{number % 3}",
                    endpoint="/v1/chat/completions" if number < 6 else "/v1/embeddings",
                    status=(200, 429, 499)[number % 3],
                    outcome=("completed", "refused", "client_gone")[number % 3],
                    error=("", "rate_limited", "")[number % 3],
                    input=10 * number,
                    cached_input=2,
                    cache_write=1,
                    output=5,
                    reasoning=4,
                    cost=None if number == 1 else number * 250_000_000,
                    price_id=str(price.id) if number == 0 else None,
                ).to_bytes()
            )
            for number in range(12)
        ]
        await session.execute(insert(Log), rows)


async def ids(proxy: Any, path: str = "/api/logs/", **query: Any) -> list[int]:
    """Minutes at which the calls began."""
    found = await proxy.ask("GET", path, **query)
    return [(log["request_at"] - AT) // MINUTE for log in found["logs"]]


async def test_a_log_is_shown_with_the_numbers_of_its_token_and_channel(
    proxy: Any, db: Database, query_count: Any
) -> None:
    with query_count(db) as queries:
        found = await proxy.ask("GET", "/api/logs", per_page=100, order="id")
    assert len(queries) == 5
    assert found["total"] == 12
    first, second, third = found["logs"][:3]
    assert first.pop("id") < second["id"]
    assert first == {
        "token_id": 41,
        "token_name": "t0",
        "group": "g0",
        "model": "m0",
        "endpoint": "/v1/chat/completions",
        "content": "",
        "code": 200,
        "channel": 51,
        "price": 0.002,
        "completion_price": 5e-7,
        "prompt_tokens": 3,
        "completion_tokens": 9,
        "used_amount": 0.0,
        "unpriced": False,
        "request_at": AT,
        "created_at": AT + 1500,
    }
    assert (second["token_id"], second["channel"], second["token_name"]) == (0, 0, "t1")
    assert (second["used_amount"], second["unpriced"]) == (0.0, True)
    assert (second["content"], second["code"]) == ("rate_limited", 429)
    assert (third["content"], third["used_amount"]) == ("client_gone", 0.5)


async def test_logs_are_paged_ordered_and_narrowed(proxy: Any) -> None:
    assert await ids(proxy) == list(range(11, 1, -1))
    assert await ids(proxy, p=2) == [1, 0]
    assert await ids(proxy, order="id", per_page=2) == [0, 1]
    assert await ids(proxy, order="used_amount-desc", per_page=2) == [11, 10]
    assert await ids(proxy, order="prompt_tokens", per_page=2) == [0, 1]
    assert await ids(proxy, order="created_at", per_page=2) == [0, 1]
    assert "order" in await proxy.refused("GET", "/api/logs/", order="price")
    # The order of the original, and without the filters that are empty.
    assert await ids(proxy, token_id=41, per_page=2, group="", code="") == [10, 8]
    assert await ids(proxy, token_id=99) == []
    assert await ids(proxy, channel=51, per_page=2) == [10, 8]
    assert await ids(proxy, channel=99) == []
    assert await ids(proxy, token_name="t1", per_page=2) == [11, 9]
    assert await ids(proxy, model_name="m0") == [9, 6, 3, 0]
    assert await ids(proxy, code=429) == [10, 7, 4, 1]
    assert await ids(proxy, code=10**15) == []
    assert await ids(proxy, content="rate_limited") == [10, 7, 4, 1]
    assert await ids(proxy, endpoint="/v1/embeddings", group="g0") == [10, 8, 6]
    start, end = AT + 3 * MINUTE, AT + 5 * MINUTE
    assert await ids(proxy, start_timestamp=start, end_timestamp=end) == [5, 4, 3]
    assert "end_timestamp" in await proxy.refused(
        "GET", "/api/logs/", start_timestamp=end, end_timestamp=start
    )
    assert "start_timestamp" in await proxy.refused("GET", "/api/logs/", start_timestamp=10**18)


async def test_logs_of_a_group_and_search(proxy: Any) -> None:
    assert await ids(proxy, "/api/log/g1", per_page=3) == [11, 9, 7]
    assert await ids(proxy, "/api/log/nobody") == []
    assert await ids(proxy, "/api/log/g1", model_name="m0") == [9, 3]
    search = "/api/logs/search"
    assert await ids(proxy, search, keyword="M0") == [9, 6, 3, 0]
    assert await ids(proxy, search, keyword="429") == [10, 7, 4, 1]
    assert await ids(proxy, search, keyword="RATE_LIM") == [10, 7, 4, 1]
    assert await ids(proxy, search, keyword="embed", group_id="g1") == [11, 9, 7]
    assert await ids(proxy, search, keyword="g1", per_page=2) == [11, 9]
    assert await ids(proxy, search, keyword="%") == []
    assert await ids(proxy, search, keyword="9" * 100) == []
    # That service's search counts pages from 1, too.
    assert await ids(proxy, search, p=1, per_page=2) == await ids(proxy, search, per_page=2)
    assert await ids(proxy, "/api/log/g1/search", keyword="m0") == [9, 3]
    assert await ids(proxy, "/api/log/g1/search", keyword="g0") == []


async def test_what_calls_cost_is_summed_up(proxy: Any) -> None:
    async def quota(**query: Any) -> float:
        found: float = (await proxy.ask("GET", "/api/logs/stat", **query))["quota"]
        return found

    assert await quota() == pytest.approx(sum(n * 0.25 for n in range(12) if n != 1))
    assert await quota(group="g0") == pytest.approx((2 + 4 + 6 + 8 + 10) * 0.25)
    assert await quota(start_timestamp=AT + 11 * MINUTE) == pytest.approx(2.75)
    assert await quota(model_name="m0", token_name="t1") == pytest.approx((3 + 9) * 0.25)
    assert await quota(channel=51, endpoint="/v1/embeddings") == pytest.approx(6.0)
    assert await quota(group="nobody") == 0
    assert "end_timestamp" in await proxy.refused(
        "GET", "/api/logs/stat", start_timestamp=AT, end_timestamp=AT - 1
    )


async def test_old_logs_are_deleted_and_counted(proxy: Any, db: Database) -> None:
    for timestamp in ("", 0):
        said = await proxy.refused("DELETE", "/api/logs/", timestamp=timestamp)
        assert "timestamp: is required" in said
    assert "timestamp" in await proxy.refused("DELETE", "/api/logs")
    assert "timestamp" in await proxy.refused("DELETE", "/api/logs/", timestamp="yesterday")
    assert await proxy.ask("DELETE", "/api/logs/", timestamp=AT + 5 * MINUTE) == 5
    assert await proxy.ask("DELETE", "/api/logs", timestamp=AT + 5 * MINUTE) == 0
    async with db.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Log)) == 7
        actions = list(await session.scalars(select(AuditEntry.action)))
    assert actions == ["gateway.log.delete"] * 2


async def test_no_call_fails_to_be_charged(proxy: Any) -> None:
    found = await proxy.ask("GET", "/api/logs/consume_error", keyword="x", page=1, per_page=10)
    assert found == {"logs": [], "total": 0}
