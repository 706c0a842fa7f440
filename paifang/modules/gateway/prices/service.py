"""Setting prices and finding the one that holds. The only place that writes them.

A price is never changed: a new one begins, and the old one stays as history.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import bump_version, utc_now
from paifang.core.pagination import Page, PageQuery, order_by, paginate
from paifang.modules.gateway.changes import MAX_MODEL, MAX_NANOS, Check, as_json
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.channels.providers import LOCAL
from paifang.modules.gateway.prices.errors import PriceExists, PriceInForce, PriceNotFound
from paifang.modules.gateway.prices.models import Price

SORTS = {"created_at": Price.created_at, "model": Price.model, "valid_from": Price.valid_from}
CLOCK_SKEW = timedelta(minutes=1)
"""A beginning this little ago counts as now: clocks differ, and requests take time."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that enabled channels serve."""

    model: str
    channels: list[str]
    """Their names, highest priority first."""
    price: Price | None
    """The price that holds now."""
    local: bool = False
    """Our own machines alone compute it."""

    @property
    def free(self) -> bool:
        """It costs nothing: by its price, or since it is local and has none."""
        if self.price is None:
            return self.local
        price = self.price
        buckets = (
            price.input,
            price.cached_input,
            price.cache_write,
            price.output,
            price.reasoning,
            price.request,
        )
        return not any(buckets)


async def create(
    session: AsyncSession,
    *,
    actor: Principal,
    model: str,
    input: int,  # noqa: A002  # the bucket's name
    output: int,
    cached_input: int | None = None,
    cache_write: int | None = None,
    reasoning: int | None = None,
    request: int = 0,
    valid_from: datetime | None = None,
) -> Price:
    """Set what a model costs from a moment on. Amounts are nanos per million model tokens.

    Args:
        session: The caller's transaction.
        actor: Whoever sets it.
        model: The model, by our name.
        input: Input that is in no other bucket.
        output: Output that is no reasoning.
        cached_input: Input read from the provider's cache; None: as ``input``.
        cache_write: Input written to the provider's cache; None: as ``input``.
        reasoning: Reasoning; None: as ``output``.
        request: Nanos per request.
        valid_from: From when it holds; None means now.

    Raises:
        Invalid: a value can't be right.
        PriceExists: the model has a price from that very moment on.
    """
    amounts = {
        "input": input,
        "cached_input": input if cached_input is None else cached_input,
        "cache_write": input if cache_write is None else cache_write,
        "output": output,
        "reasoning": output if reasoning is None else reasoning,
        "request": request,
    }
    check = Check()
    model = check.name(model, "model", MAX_MODEL)
    begins = _begins(check, valid_from)
    for field, amount in amounts.items():
        check.whole(field, amount, 0, MAX_NANOS)
    check.done()
    clash = select(Price.id).where(Price.model == model, Price.valid_from == begins)
    if await session.scalar(clash) is not None:
        raise PriceExists(f"{model} has a price from {begins.isoformat()} on.")
    price = Price(model=model, valid_from=begins, created_by=actor.id, **amounts)
    session.add(price)
    # Now, so that its defaults can be read and a collision is met here.
    await session.flush()
    await _changed(session, actor, "create", price)
    return price


async def get(session: AsyncSession, *, price_id: UUID) -> Price:
    """A price. Raises :class:`PriceNotFound`."""
    price = await session.get(Price, price_id)
    if price is None:
        raise PriceNotFound
    return price


async def current(session: AsyncSession, *, model: str, at: datetime | None = None) -> Price | None:
    """The price of a model that holds at a moment, by default now; None when it has none."""
    statement = (
        select(Price)
        .where(Price.model == model, Price.valid_from <= (at or utc_now()))
        .order_by(Price.valid_from.desc())
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()


async def list_page(
    session: AsyncSession,
    *,
    paging: PageQuery,
    model: str | None = None,
    only_current: bool = False,
) -> Page[Price]:
    """A page of prices, the newest first; ``only_current`` leaves those that hold now."""
    # The id breaks ties, so that no page repeats or misses a row.
    statement = select(Price).order_by(order_by(paging.sort, SORTS, "-valid_from"), Price.id)
    if model is not None:
        statement = statement.where(Price.model == model)
    if only_current:
        statement = statement.where(_holds(utc_now()))
    return await paginate(session, statement, paging=paging, read=lambda price: price)


async def delete(session: AsyncSession, *, actor: Principal, price_id: UUID) -> None:
    """Delete a price that has not begun.

    Raises:
        PriceNotFound: there is no such price.
        PriceInForce: it holds or held.
    """
    price = await get(session, price_id=price_id)
    if price.valid_from <= utc_now():
        raise PriceInForce
    await session.delete(price)
    await _changed(session, actor, "delete", price)


async def served_models(session: AsyncSession) -> list[ServedModel]:
    """The models that enabled channels serve, by name, with the prices that hold now."""
    channels = await session.execute(
        select(Channel.name, Channel.models, Channel.provider)
        .where(Channel.status == "enabled")
        .order_by(Channel.priority.desc(), Channel.name)
    )
    served: dict[str, list[str]] = {}
    far: set[str] = set()
    for name, models, provider in channels:
        for model in models:
            served.setdefault(model, []).append(name)
        if provider != LOCAL:
            far.update(models)
    prices = await current_prices(session) if served else {}
    return [
        ServedModel(model, served[model], prices.get(model), model not in far)
        for model in sorted(served)
    ]


async def current_prices(session: AsyncSession) -> Mapping[str, Price]:
    """The prices that hold now, by model; a model without one is absent."""
    found = await session.scalars(select(Price).where(_holds(utc_now())))
    return {price.model: price for price in found}


def _holds(at: datetime) -> ColumnElement[bool]:
    """That a price is its model's newest at a moment."""
    other = aliased(Price)
    newest = (
        select(func.max(other.valid_from))
        .where(other.model == Price.model, other.valid_from <= at)
        .correlate(Price)
        .scalar_subquery()
    )
    return Price.valid_from == newest


def _begins(check: Check, valid_from: datetime | None) -> datetime:
    now = utc_now()
    if valid_from is None:
        return now
    if valid_from.tzinfo is not None and now - CLOCK_SKEW <= valid_from <= now:
        return valid_from.astimezone(UTC)
    # Calls of the past were metered with what held then; a price that begins there would lie.
    return check.future("valid_from", valid_from) or now


async def _changed(session: AsyncSession, actor: Principal, verb: str, price: Price) -> None:
    shown = ("model", "valid_from", "input", "cached_input", "cache_write", "output")
    audit.record(
        session,
        actor=actor,
        action=f"gateway.price.{verb}",
        subject_type="price",
        subject_id=str(price.id),
        changes={
            field: as_json(getattr(price, field)) for field in (*shown, "reasoning", "request")
        },
    )
    await bump_version(session, "gateway")
