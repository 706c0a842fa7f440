"""Lists of logs, the newest first, by a cursor: read in order from an index, however many."""

from datetime import datetime
from typing import Any, TypedDict, Unpack

from sqlalchemy import BigInteger, Integer, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from paifang.core.auth import Principal
from paifang.core.hot import HotSelect
from paifang.core.scope import unscoped, visible
from paifang.modules.gateway.logs.models import Log, dashed
from paifang.modules.gateway.members.reach import narrowed, plain_member, reach, the_caller
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.tokens.models import Token

LogRow = dict[str, Any]
"""A log by the names of its columns, with ``unpriced``."""


class Filters(TypedDict, total=False):
    """What logs may be narrowed by; None and absent mean the same."""

    group_id: str | None
    token_id: str | None
    channel_id: str | None
    model: str | None
    outcome: str | None
    request_id: str | None
    status: str | None
    """``4xx``: the class of the HTTP status."""
    started_from: datetime | None
    """At or after this."""
    started_to: datetime | None
    """Before this."""


_EQUAL = {
    name: getattr(Log, name)
    for name in ("group_id", "token_id", "channel_id", "model", "outcome", "request_id")
}


def conditions(filters: tuple[str, ...]) -> list[Any]:
    """The conditions of filters that are given, on values bound by :func:`bound`."""
    found = []
    for name in filters:
        if name in _EQUAL:
            found.append(_EQUAL[name] == bindparam(f"wanted_{name}"))
        elif name == "status":
            found.append(Log.status.between(bindparam("lowest"), bindparam("highest")))
        elif name == "started_from":
            found.append(Log.started_at >= bindparam("started_from"))
        elif name == "started_to":
            found.append(Log.started_at < bindparam("started_to"))
        elif name == "before":
            found.append(Log.id < bindparam("before", type_=BigInteger))
        else:
            found.append(Log.id > bindparam("after", type_=BigInteger))
    return found


def bound(**filters: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Which filters are given, and the values that belong to them."""
    given = {name: value for name, value in filters.items() if value is not None}
    values = {f"wanted_{name}" if name in _EQUAL else name: v for name, v in given.items()}
    if status := values.pop("status", None):
        lowest = int(status[0]) * 100
        values |= {"lowest": lowest, "highest": lowest + 99}
    return tuple(given), values


def _own_tokens() -> Any:
    """The condition for what the bound caller's tokens did in groups of others."""
    tokens = unscoped(
        select(dashed(Token.id)).where(
            Token.user_id == the_caller(), Token.group_id.in_(plain_member())
        ),
        "they are the caller's own",
    )
    return Log.token_id.in_(tokens)


def _build(
    shape: tuple[str, int, int], filters: tuple[str, ...], names: tuple[str, ...], upwards: bool
) -> Select[Any]:
    columns = [getattr(Log, name) for name in names]
    first = bindparam("limit", type_=Integer)
    statement = narrowed(
        unscoped(select(*columns), "narrowed; a test compares it with visible()"),
        shape,
        group=Log.group_id,
        key=Log.id,
        mine=_own_tokens,
        filters=conditions(filters),
        first=None if upwards else first,
    )
    return statement.order_by(Log.id if upwards else Log.id.desc()).limit(first)


_LIST = HotSelect(_build)
NAMES = tuple(column.key for column in Log.__table__.columns)
HIDDEN = {"channel_id": None, "channel_name": "", "upstream_model": ""}
"""What is told to those alone who may read channels: which upstreams somebody has is theirs."""
_PARTS = ("input", "cached_input", "cache_write", "output", "reasoning")


async def rows(
    on: AsyncSession | AsyncConnection,
    *,
    caller: Principal,
    limit: int,
    upwards: bool = False,
    **filters: Any,
) -> list[LogRow]:
    """Logs that the caller sees; with ``upwards`` the oldest first. Beside :class:`Filters`,
    ``before`` and ``after`` are ids.
    """
    found = await reach(on, caller)
    given, values = bound(**filters)
    values |= found.values | {"limit": limit}
    raw = await _LIST.rows(on, found.shape, given, NAMES, upwards, **values)
    found_rows = [dict(zip(NAMES, row, strict=True)) for row in raw]
    upstreams = caller.may(GatewayPermission.CHANNELS_READ)
    for row in found_rows:
        row["unpriced"] = row["cost"] is None and any(row[part] for part in _PARTS)
        if not upstreams:
            row.update(HIDDEN)
    return found_rows


async def find(
    on: AsyncSession | AsyncConnection,
    *,
    caller: Principal,
    before: int | None = None,
    limit: int = 20,
    **filters: Unpack[Filters],
) -> tuple[list[LogRow], int | None]:
    """Logs, newest first, and the id to give as ``before`` for the next page (None: no more)."""
    found = await rows(on, caller=caller, limit=limit + 1, before=before, **filters)
    more = len(found) > limit
    found = found[:limit]
    return found, found[-1]["id"] if more else None


def everything(caller: Principal, **filters: Any) -> Select[Any]:
    """The same as one plain select of all columns, in no order, for what is no page."""
    given, values = bound(**filters)
    statement = visible(select(*(getattr(Log, name) for name in NAMES)), caller, of=Log)
    return statement.where(*conditions(given)).params(values)
