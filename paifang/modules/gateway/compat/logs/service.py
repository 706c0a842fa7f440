"""Finding logs as AI Proxy's API asks for them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.scope import unscoped, visible
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.compat.lists import Paging, fetch, ordering
from paifang.modules.gateway.compat.logs.schemas import ProxyLog
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.prices.models import Price
from paifang.modules.gateway.tokens.models import Token

ORDERS = {
    "id": Log.id,
    "created_at": Log.started_at,
    "used_amount": func.coalesce(Log.cost, 0),
    "prompt_tokens": Log.input + Log.cached_input + Log.cache_write,
    "completion_tokens": Log.output + Log.reasoning,
    "token_name": Log.token_name,
    "endpoint": Log.endpoint,
    "group": Log.group_id,
    "model": Log.model,
    "code": Log.status,
}
_MAX_STATUS = 999


class Filters(TypedDict, total=False):
    """What logs may be narrowed by; None, an empty text and 0 mean the same as absent."""

    start: datetime | None
    """Began at or after this."""
    end: datetime | None
    """Began at or before this."""
    group: str | None
    token: int | None
    """The number of a token."""
    token_name: str | None
    channel: int | None
    """The number of a channel."""
    model: str | None
    endpoint: str | None
    content: str | None
    """The code of the error."""
    code: int | None
    """The HTTP status."""
    keyword: str | None
    """Part of the group, token name, model, endpoint or error, or the HTTP status."""


_EQUAL = {
    "group": Log.group_id,
    "token_name": Log.token_name,
    "model": Log.model,
    "endpoint": Log.endpoint,
    "content": Log.error,
}
_NUMBERED: dict[str, tuple[type[Token] | type[Channel], Any]] = {
    "token": (Token, Log.token_id),
    "channel": (Channel, Log.channel_id),
}


async def find(
    session: AsyncSession, *, caller: Principal, paging: Paging, **filters: Unpack[Filters]
) -> tuple[list[ProxyLog], int]:
    """A page of logs with the numbers of their tokens and channels, and the bounded total.

    Raises:
        Invalid: there is no such order.
    """
    order = (ordering(paging.order, ORDERS), Log.id.desc())
    statement = await _filtered(session, visible(select(Log), caller), filters)
    rows, total = await fetch(session, statement.order_by(*order), paging)
    tokens = await _numbers(session, Token, (row.token_id for row in rows))
    channels = await _numbers(session, Channel, (row.channel_id for row in rows))
    prices = await _prices(session, (row.price_id for row in rows))
    shown = [
        ProxyLog.of(
            row,
            token=tokens.get(row.token_id or "", 0),
            channel=channels.get(row.channel_id or "", 0),
            price=prices.get(row.price_id or ""),
        )
        for row in rows
    ]
    return shown, total


async def total_cost(
    session: AsyncSession, *, caller: Principal, **filters: Unpack[Filters]
) -> int:
    """Nanos that logs cost together."""
    statement = await _filtered(
        session, visible(select(func.sum(Log.cost)), caller, of=Log), filters
    )
    return int(await session.scalar(statement) or 0)


async def _filtered(session: AsyncSession, statement: Select[Any], filters: Filters) -> Select[Any]:
    given: Mapping[str, Any] = {name: value for name, value in filters.items() if value}
    for name, column in _EQUAL.items():
        if name in given:
            statement = statement.where(column == given[name])
    for name, (table, key) in _NUMBERED.items():
        if name in given:
            numbered = unscoped(
                select(table.id).where(table.number == given[name]),
                "a number stands for an id in the logs, which are scoped",
            )
            found = await session.scalar(numbered)
            statement = statement.where(false() if found is None else key == str(found))
    if "code" in given:
        statement = statement.where(_has_status(given["code"]))
    if "start" in given:
        statement = statement.where(Log.started_at >= given["start"])
    if "end" in given:
        statement = statement.where(Log.started_at <= given["end"])
    if "keyword" in given:
        keyword = given["keyword"]
        parts = [column.icontains(keyword, autoescape=True) for column in _EQUAL.values()]
        if keyword.isdecimal():
            parts.append(_has_status(int(keyword)))
        statement = statement.where(or_(*parts))
    return statement


def _has_status(code: int) -> ColumnElement[bool]:
    # A larger number would not fit the column, which PostgreSQL calls an error.
    return Log.status == code if 0 <= code <= _MAX_STATUS else false()


async def _numbers(
    session: AsyncSession, table: type[Token] | type[Channel], ids: Iterable[str | None]
) -> dict[str, int]:
    """Numbers by id; ids of what is gone are absent."""
    statement = unscoped(
        select(table.id, table.number).where(table.id.in_(_uuids(ids))),
        "a number stands for an id in the logs, which are scoped",
    )
    return {str(key): number for key, number in await session.execute(statement)}


async def _prices(session: AsyncSession, ids: Iterable[str | None]) -> dict[str, Price]:
    statement = select(Price).where(Price.id.in_(_uuids(ids)))
    return {str(price.id): price for price in await session.scalars(statement)}


def _uuids(ids: Iterable[str | None]) -> set[UUID]:
    found = set()
    for text in ids:
        try:
            found.add(UUID(text or ""))
        except ValueError:  # none, or not one of ours
            continue
    return found
