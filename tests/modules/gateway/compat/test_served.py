"""``/api/models`` and ``/api/option``, on every database."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from paifang.core.auth import Principal
from paifang.core.db import Database, utc_now
from paifang.modules.gateway.prices import service as prices
from paifang.modules.gateway.prices.models import Price

BILLION = 1_000_000_000


@pytest.fixture
async def channels(proxy: Any, db: Database, actor: Principal) -> None:
    """Models on three channels, one of them disabled, and two prices."""
    for body in (
        {"type": 1, "name": "a", "models": ["gpt", "free"], "key": "k" * 20},
        {"type": 1, "name": "b", "base_url": "http://b.test", "models": ["gpt", "other"]},
        {"type": 30, "name": "c", "models": ["llama"], "status": 2},
        {"type": 36, "name": "d", "models": ["deep"]},
    ):
        await proxy.ask("POST", "/api/channel/", body)
    async with db.transaction() as session:
        await prices.create(
            session,
            actor=actor,
            model="gpt",
            input=2 * BILLION,
            output=8 * BILLION,
            cached_input=BILLION,
            request=5,
        )
        await prices.create(session, actor=actor, model="free", input=0, output=0)
        await prices.create(
            session,
            actor=actor,
            model="deep",
            input=1,
            output=1,
            valid_from=utc_now() + timedelta(days=1),
        )


@pytest.mark.usefixtures("channels")
async def test_models_are_listed_by_type_and_with_their_prices(
    proxy: Any, db: Database, query_count: Any
) -> None:
    gpt = {"prompt": 0.002, "completion": 0.008, "unset": False}
    free = {"prompt": 0.0, "completion": 0.0, "unset": False}
    none = {"prompt": 0.0, "completion": 0.0, "unset": True}
    every = await proxy.ask("GET", "/api/models")
    assert {number: models for number, models in every.items() if models} == {
        "1": ["free", "gpt", "other"],
        "30": ["llama"],
        "36": ["deep"],
    }
    assert {"1", "8", "30", "43"} < set(every)
    assert await proxy.ask("GET", "/api/models/price") == {"free": free, "gpt": gpt}
    assert await proxy.ask("GET", "/api/models/enabled") == ["deep", "free", "gpt", "other"]
    assert await proxy.ask("GET", "/api/models/enabled/price") == {
        "deep": none, "free": free, "gpt": gpt, "other": none
    }  # fmt: skip
    assert await proxy.ask("GET", "/api/models/enabled/channel") == {
        "1": ["free", "gpt", "other"],
        "36": ["deep"],
    }
    with query_count(db) as queries:
        found = await proxy.ask("GET", "/api/models/enabled/channel/price")
    assert len(queries) == 2
    assert found == {"1": {"free": free, "gpt": gpt, "other": none}, "36": {"deep": none}}


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_types_have_no_defaults(proxy: Any) -> None:
    base = "/api/models/enabled"
    assert await proxy.ask("GET", f"{base}/default") == {}
    assert await proxy.ask("GET", f"{base}/default/1") == []
    assert await proxy.ask("GET", f"{base}/mapping/default") == {}
    assert await proxy.ask("GET", f"{base}/mapping/default/30") == {}
    assert await proxy.ask("GET", f"{base}/all/default") == {"models": {}, "mapping": {}}
    assert await proxy.ask("GET", f"{base}/all/default/1") == {"models": [], "mapping": {}}
    for path in ("default", "mapping/default", "all/default"):
        assert "not supported" in await proxy.refused("GET", f"{base}/{path}/14")
        assert "number" in await proxy.refused("GET", f"{base}/{path}/x")
    assert await proxy.ask("GET", "/api/models/enabled") == []
    assert await proxy.ask("GET", "/api/models/enabled/channel") == {}


@pytest.mark.usefixtures("channels")
async def test_options_say_what_is_so(proxy: Any) -> None:
    options = await proxy.ask("GET", "/api/option/")
    assert all(isinstance(value, str) for value in options.values())
    assert json.loads(options["ModelPrice"]) == {"free": 0.0, "gpt": 0.002}
    assert json.loads(options["CompletionPrice"]) == {"free": 0.0, "gpt": 0.008}
    assert options["RetryTimes"] == "2"
    assert (options["BillingEnabled"], options["DisableServe"]) == ("true", "false")
    assert json.loads(options["DefaultChannelModels"]) == {}
    assert await proxy.ask("GET", "/api/option") == options
    # A front end that sends everything back changes nothing.
    assert await proxy.ask("PUT", "/api/option/batch", options) is None
    assert await proxy.ask("PUT", "/api/option/", {"key": "BillingEnabled", "value": True}) is None
    assert await proxy.ask("PUT", "/api/option", {"key": "RetryTimes", "value": 2}) is None
    assert await proxy.ask("GET", "/api/option/") == options


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("RetryTimes", "5", "RetryTimes is 2 and can't be changed here. It is the setting"),
        ("RetryTimes", "5", "PAIFANG_GATEWAY_MAX_ATTEMPTS"),
        ("DisableServe", "true", "disable the groups"),
        ("BillingEnabled", False, "BillingEnabled is true"),
        ("DefaultGroupQPM", 120, "qpm"),
        ("GeminiVersion", "v1", "GeminiVersion: is no option; there are"),
        ("ModelPrice", "0.002", "ModelPrice: write JSON"),
        ("ModelPrice", '{"gpt": "x"}', "ModelPrice: write JSON"),
        ("ModelPrice", '{"gpt"', "ModelPrice: write JSON"),
        ("ModelPrice", '{"gpt": -1}', "gpt: use an amount from 0"),
        ("ModelPrice", '{"gpt": 1e9}', "gpt: use an amount from 0"),
        ("ModelPrice", '{" ": 1}', "model: "),
        ("CompletionPrice", '{"gpt": 1}', "gpt: has no ModelPrice"),
    ],
)
async def test_an_option_that_can_not_be_honoured_is_refused(
    proxy: Any, db: Database, key: str, value: Any, said: str
) -> None:
    assert said in await proxy.refused("PUT", "/api/option/", {"key": key, "value": value})
    # All are taken, or none.
    batch = {"ModelPrice": '{"new": 1}', key: value}
    await proxy.refused("PUT", "/api/option/batch", batch)
    async with db.reading() as session:
        assert (await session.scalars(select(Price))).all() == []


@pytest.mark.usefixtures("channels")
async def test_prices_are_set_by_options_and_their_history_is_kept(
    proxy: Any, db: Database
) -> None:
    options = await proxy.ask("GET", "/api/option/")
    model_price = {**json.loads(options["ModelPrice"]), "gpt": 0.0035, "other": 0.001}

    async def put(key: str, value: dict[str, float]) -> None:
        await proxy.ask("PUT", "/api/option/", {"key": key, "value": json.dumps(value)})

    async def current(model: str) -> Price:
        async with db.reading() as session:
            price = await prices.current(session, model=model)
        assert price is not None
        return price

    await put("ModelPrice", model_price)
    gpt, other = await current("gpt"), await current("other")
    assert (gpt.input, gpt.output) == (3_500_000_000, 8 * BILLION)
    # What had a price of its own keeps it; what followed goes on following.
    assert (gpt.cached_input, gpt.cache_write, gpt.reasoning, gpt.request) == (
        BILLION,
        3_500_000_000,
        8 * BILLION,
        5,
    )
    assert (other.input, other.output, other.reasoning) == (BILLION, BILLION, BILLION)
    await put("CompletionPrice", {"gpt": 0.01, "other": 0.001, "free": 0})
    assert ((await current("gpt")).input, (await current("gpt")).output) == (
        3_500_000_000,
        10 * BILLION,
    )
    async with db.reading() as session:
        models = list(await session.scalars(select(Price.model)))
    assert sorted(models) == ["deep", "free", "gpt", "gpt", "gpt", "other"]
    said = await proxy.refused(
        "PUT", "/api/option/", {"key": "ModelPrice", "value": '{"gpt": 1, "other": 1}'}
    )
    assert "free: a price can be replaced, not removed" in said
