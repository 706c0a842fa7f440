"""Options of AI Proxy: prices can be changed; the others say what is so, and where it is set."""

from collections.abc import Mapping
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.modules.gateway.changes import MAX_NANOS
from paifang.modules.gateway.compat.errors import NotOffered
from paifang.modules.gateway.compat.values import invalid, per_million, per_thousand
from paifang.modules.gateway.prices import service as prices
from paifang.modules.gateway.prices.models import Price
from paifang.modules.gateway.relay.snapshot import NANOS_PER_UNIT
from paifang.modules.gateway.settings import GatewaySettings

MODEL_PRICE = "ModelPrice"
COMPLETION_PRICE = "CompletionPrice"
_PRICES = (MODEL_PRICE, COMPLETION_PRICE)
MAX_PRICE = MAX_NANOS // NANOS_PER_UNIT // 1000
"""Per thousand model tokens."""

_ALWAYS = {
    "DisableServe": ("false", "To stop serving, disable the groups or the channels."),
    "AutomaticDisableChannelEnabled": (
        "false",
        "When a channel fails, a call goes on to the next one; none is disabled.",
    ),
    "AutomaticEnableChannelWhenTestSucceedEnabled": (
        "false",
        "A test changes no status: enable the channel.",
    ),
    "ApproximateTokenEnabled": (
        "false",
        "Usage is what the provider says, and estimated only when it says nothing.",
    ),
    "BillingEnabled": ("true", "Each call is metered; a model that shall cost nothing costs 0."),
    "GlobalApiRateLimitNum": ("0", "Limits belong to groups and tokens: set a group's qpm."),
    "DefaultGroupQPM": ("0", "A group has no limit until its qpm is set."),
    "DefaultChannelModels": ("{}", "Name the models with each channel."),
    "DefaultChannelModelMapping": ("{}", "Set the model mapping with each channel."),
    "GroupMaxTokenNum": ("0", "A group may have any number of tokens."),
}
"""Options whose value is a fact about Paifang, and what to do who wants another."""
_RETRIES = "It is the setting PAIFANG_GATEWAY_MAX_ATTEMPTS less one, read at the start."

_AMOUNTS = TypeAdapter(dict[str, float])


def shown(settings: GatewaySettings, current: Mapping[str, Price]) -> dict[str, str]:
    """All options, as text."""
    options = {key: value for key, (value, _why) in _ALWAYS.items()}
    options["RetryTimes"] = str(settings.max_attempts - 1)
    for key, amounts in _amounts(current).items():
        options[key] = orjson.dumps(amounts).decode()
    return dict(sorted(options.items()))


async def change(
    session: AsyncSession, *, actor: Principal, settings: GatewaySettings, wanted: Mapping[str, str]
) -> None:
    """Set options; one that is sent back as it is shown is no change.

    Raises:
        Invalid: there is no such option, or prices that can't be right.
        NotOffered: it can't be changed here; the detail says what to do instead.
    """
    current = await prices.current_prices(session)
    now = shown(settings, current)
    for key, value in wanted.items():
        if key not in now:
            raise invalid(key[:64], f"is no option; there are {', '.join(now)}")
        if key not in _PRICES and value != now[key]:
            why = _ALWAYS[key][1] if key in _ALWAYS else _RETRIES
            raise NotOffered(f"{key} is {now[key]} and can't be changed here. {why}")
    given = {key: _read(key, value) for key, value in wanted.items() if key in _PRICES}
    if given:
        await _set_prices(session, actor, given, current)


async def _set_prices(
    session: AsyncSession,
    actor: Principal,
    given: Mapping[str, Mapping[str, float]],
    current: Mapping[str, Price],
) -> None:
    before = _amounts(current)
    prompts = given.get(MODEL_PRICE, before[MODEL_PRICE])
    completions = given.get(COMPLETION_PRICE, before[COMPLETION_PRICE])
    if gone := sorted(set(current) - set(prompts)):
        raise invalid(
            MODEL_PRICE,
            f"{', '.join(gone[:5])}: a price can be replaced, not removed; 0 means free",
        )
    if strange := sorted(set(completions) - set(prompts)):
        raise invalid(COMPLETION_PRICE, f"{', '.join(strange[:5])}: has no {MODEL_PRICE}")
    for model, prompt in prompts.items():
        # That service charges the prompt's price for what has no price of its own.
        new = (prompt, completions.get(model, prompt))
        old = current.get(model)
        if old is None or new != (before[MODEL_PRICE][model], before[COMPLETION_PRICE][model]):
            values = _values(per_million(new[0]), per_million(new[1]), old)
            await prices.create(session, actor=actor, model=model, **values)


def _values(prompt: int, completion: int, old: Price | None) -> dict[str, Any]:
    """The buckets of a new price. Those that had a price of their own keep it."""
    values: dict[str, Any] = {"input": prompt, "output": completion}
    if old is not None:
        values["request"] = old.request
        for bucket in ("cached_input", "cache_write"):
            if getattr(old, bucket) != old.input:
                values[bucket] = getattr(old, bucket)
        if old.reasoning != old.output:
            values["reasoning"] = old.reasoning
    return values


def _amounts(current: Mapping[str, Price]) -> dict[str, dict[str, float]]:
    models = sorted(current)
    return {
        MODEL_PRICE: {model: per_thousand(current[model].input) for model in models},
        COMPLETION_PRICE: {model: per_thousand(current[model].output) for model in models},
    }


def _read(key: str, text: str) -> dict[str, float]:
    try:
        amounts = _AMOUNTS.validate_python(orjson.loads(text))
    except (orjson.JSONDecodeError, ValidationError):
        raise invalid(key, 'write JSON like {"gpt-x": 0.002}: per thousand tokens') from None
    if wrong := [model for model, value in amounts.items() if not 0 <= value <= MAX_PRICE]:
        raise invalid(key, f"{wrong[0][:128]}: use an amount from 0 to {MAX_PRICE}")
    return amounts
