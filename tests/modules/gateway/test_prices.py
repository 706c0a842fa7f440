"""Prices through the API: exact amounts, a history that is kept, and nothing silently free."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from paifang.core.audit import AuditEntry
from paifang.core.auth import Principal
from paifang.core.db import Database, read_version, utc_now
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.money import money_nanos, money_text
from paifang.modules.gateway.prices import service
from paifang.modules.gateway.prices.models import Price

BUCKETS = ("input", "cached_input", "cache_write", "output", "reasoning", "request")


async def make(api: httpx.AsyncClient, model: str = "gpt", **body: Any) -> dict[str, Any]:
    answer = await api.post("/prices", json={"model": model, "input": "1", "output": "2", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def add_price(db: Database, model: str, valid_from: datetime, amount: int) -> None:
    async with db.transaction() as session:
        session.add(
            Price(model=model, valid_from=valid_from, input=amount, output=0, created_by="t")
        )


def wrong_fields(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.json()["errors"]]


async def test_a_bucket_without_a_price_costs_what_plain_tokens_cost(
    api: httpx.AsyncClient,
) -> None:
    made = await make(api, input="0.15", output="0.6")
    assert [made[bucket] for bucket in BUCKETS] == ["0.15", "0.15", "0.15", "0.6", "0.6", "0"]
    given = dict(zip(BUCKETS, ["1", "0.1", "1.25", "5", "0", "0.000000001"], strict=True))
    made = await make(api, "other", **given)
    assert {bucket: made[bucket] for bucket in BUCKETS} == given
    assert made["currency"] == "USD"
    assert made["created_by"] == "administrator"
    assert (await api.get(f"/prices/{made['id']}")).json() == made


async def test_amounts_are_stored_as_nanos(api: httpx.AsyncClient, db: Database) -> None:
    await make(api, input="0.15", request="0.000000001")
    async with db.reading() as session:
        price = (await session.scalars(select(Price))).one()
    assert (price.input, price.output, price.request) == (150_000_000, 2_000_000_000, 1)


@given(st.integers(0, 10**18))
def test_amounts_survive_the_way_to_text_and_back(nanos: int) -> None:
    assert money_nanos(money_text(nanos)) == nanos


@pytest.mark.parametrize(
    "text", ["", ".5", "5.", "-1", "+1", "1e3", "1,5", "0.0000000001", "\u0661", "1 000", "NaN"]
)
def test_text_that_is_no_exact_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        money_nanos(text)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"input": None}, "input"),
        ({"input": 0.15}, "input"),
        ({"output": "0.0000000001"}, "output"),
        ({"request": "1000000001"}, "request"),
        ({"model": ""}, "model"),
        ({"model": " "}, "model"),
        ({"model": "x" * 129}, "model"),
        ({"valid_from": "2020-01-01T00:00:00Z"}, "valid_from"),
        ({"valid_from": "2099-01-01T00:00:00"}, "valid_from"),
        ({"cached": "1"}, "cached"),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_wrong_value_is_refused_by_name(
    api: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await api.post("/prices", json={"model": "m", "input": "1", "output": "2", **body})
    assert wrong_fields(answer) == [field]
    assert (await api.get("/prices")).json()["total"] == 0


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_price_states_both_directions(api: httpx.AsyncClient) -> None:
    assert wrong_fields(await api.post("/prices", json={"model": "m", "input": "1"})) == ["output"]


async def test_a_new_price_ends_the_old_one_and_both_are_kept(
    api: httpx.AsyncClient, db: Database
) -> None:
    now = utc_now()
    await add_price(db, "gpt", now - timedelta(days=2), 1)
    await add_price(db, "gpt", now - timedelta(days=1), 2)
    await add_price(db, "gpt", now + timedelta(days=1), 3)
    await add_price(db, "soon", now + timedelta(days=1), 9)
    newest = await make(api, "gpt", input="0.000000005")
    async with db.reading() as session:
        for at, amount in (
            (now - timedelta(days=3), None),
            (now - timedelta(days=2), 1),
            (now - timedelta(hours=25), 1),
            (now - timedelta(hours=23), 2),
            (None, 5),
            (now + timedelta(days=2), 3),
        ):
            price = await service.current(session, model="gpt", at=at)
            assert (None if price is None else price.input) == amount
        assert await service.current(session, model="soon") is None
    found = (await api.get("/prices", params={"model": "gpt"})).json()
    nano = "0.00000000"
    assert [price["input"] for price in found["items"]] == [nano + d for d in "3521"]
    found = (await api.get("/prices", params={"current": "true"})).json()
    assert [price["id"] for price in found["items"]] == [newest["id"]]
    assert found["total"] == 1


async def test_only_a_price_of_the_future_can_be_deleted(
    api: httpx.AsyncClient, db: Database
) -> None:
    held = await make(api)
    answer = await api.delete(f"/prices/{held['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "price_in_force")
    later = await make(api, valid_from=(utc_now() + timedelta(hours=1)).isoformat())
    assert (await api.delete(f"/prices/{later['id']}")).status_code == 204
    assert (await api.delete(f"/prices/{later['id']}")).json()["code"] == "price_not_found"
    assert (await api.get(f"/prices/{later['id']}")).status_code == 404
    assert (await api.patch(f"/prices/{held['id']}", json={})).status_code == 405
    async with db.reading() as session:
        actions = (await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id))).all()
        assert await read_version(session, "gateway") == 3
    assert [action.removeprefix("gateway.price.") for action in actions] == [
        "create",
        "create",
        "delete",
    ]


async def test_a_model_has_one_price_from_a_moment_on(api: httpx.AsyncClient) -> None:
    moment = (utc_now() + timedelta(hours=1)).isoformat()
    body = {"model": "gpt", "input": "1", "output": "2", "valid_from": moment}
    assert (await api.post("/prices", json=body)).status_code == 201
    answer = await api.post("/prices", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "price_exists")
    assert (await api.post("/prices", json={**body, "model": "other"})).status_code == 201


async def test_a_beginning_a_moment_ago_is_taken_as_it_is(db: Database, actor: Principal) -> None:
    moment = utc_now() - timedelta(seconds=20)
    async with db.transaction() as session:
        price = await service.create(
            session, actor=actor, model="m", input=1, output=1, valid_from=moment
        )
    assert price.valid_from == moment


async def test_a_list_takes_two_statements_however_long_it_is(
    api: httpx.AsyncClient, query_count: Any, db: Database
) -> None:
    for number in range(7):
        await make(api, f"m{number}")
    for params in ({}, {"current": "true"}):
        with query_count(db) as queries:
            found = (
                await api.get("/prices", params={"sort": "model", "page_size": 5, **params})
            ).json()
        assert len(queries) == 2
        assert [price["model"] for price in found["items"]] == ["m0", "m1", "m2", "m3", "m4"]
        assert found["total"] == 7


async def test_served_models_show_their_price_or_that_they_have_none(
    api: httpx.AsyncClient, db: Database, query_count: Any
) -> None:
    async with db.transaction() as session:
        for number, (name, models, priority, status) in enumerate(
            [
                ("low", ["b", "a"], 0, "enabled"),
                ("high", ["b"], 5, "enabled"),
                ("off", ["c"], 9, "disabled"),
            ]
        ):
            session.add(
                Channel(
                    number=number,
                    name=name,
                    provider="openai",
                    base_url="http://x/v1",
                    models=models,
                    priority=priority,
                    status=status,
                )
            )
    await add_price(db, "b", utc_now() - timedelta(days=1), 1)
    price = await make(api, "b", input="0.15")
    await add_price(db, "a", utc_now() + timedelta(days=1), 1)
    with query_count(db) as queries:
        found = (await api.get("/models")).json()
    assert len(queries) == 2
    assert found["items"] == [
        {"model": "a", "unpriced": True, "free": False, "price": None, "channels": ["low"]},
        {
            "model": "b",
            "unpriced": False,
            "free": False,
            "price": price,
            "channels": ["high", "low"],
        },
    ]
    assert found["total"] == 2
    found = (await api.get("/models", params={"search": "B"})).json()
    assert [served["model"] for served in found["items"]] == ["b"]
    found = (await api.get("/models", params={"page_size": 1, "page": 2})).json()
    assert ([s["model"] for s in found["items"]], found["total"]) == (["b"], 2)
