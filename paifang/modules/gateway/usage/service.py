"""What calls came to, for charts. It only reads; ``rolling`` sums up."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.scope import unscoped
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.tokens.models import Token
from paifang.modules.gateway.usage.errors import ChannelsHidden
from paifang.modules.gateway.usage.figures import PLAIN, Series, Sums, together
from paifang.modules.gateway.usage.models import SUMS
from paifang.modules.gateway.usage.periods import Period
from paifang.modules.gateway.usage.sums import over, summed

COLUMNS = {"model": "model", "group": "group_id", "token": "token_id", "channel": "channel_id"}
"""What usage is told by, and the column of each."""


async def totals(
    session: AsyncSession, *, caller: Principal, period: Period, wanted: dict[str, str]
) -> Sums:
    """What all calls of a period came to."""
    statement = summed(over(caller, period, wanted=wanted))
    return Sums.of((await session.execute(statement)).mappings().one())


async def top(
    session: AsyncSession,
    *,
    caller: Principal,
    period: Period,
    by: str,
    wanted: dict[str, str],
    limit: int,
    latency: bool = False,
) -> list[Series]:
    """The keys that cost most, or were called most, without their points.

    Raises:
        ChannelsHidden: ``by`` is ``channel``, and the caller may not read channels.
    """
    _check(caller, by)
    column = COLUMNS[by]
    wished = SUMS if latency else PLAIN
    rows = over(caller, period, wanted=wanted, keys=(column,), sums=wished)
    key = rows.c[f"of_{column}"].label("key")
    statement = summed(rows, key).order_by(
        func.sum(rows.c.cost).desc(), func.sum(rows.c.calls).desc(), key
    )
    found = await session.execute(statement.limit(limit))
    keyed = [(str(row["key"]), Sums.of(row)) for row in found.mappings()]
    labels = await _labels(session, by, [name for name, _ in keyed])
    return [Series(name, labels.get(name, name), sums, {}) for name, sums in keyed]


async def series(
    session: AsyncSession,
    *,
    caller: Principal,
    period: Period,
    by: str | None,
    wanted: dict[str, str],
    limit: int,
    latency: bool,
) -> list[Series]:
    """Sums by step: of all, or of the keys that cost most, and one of the rest. How long calls
    took is told of all in any case, of several series with ``latency``.

    Raises:
        ChannelsHidden: ``by`` is ``channel``, and the caller may not read channels.
    """
    if by is None:
        rows = over(caller, period, wanted=wanted, steps=True)
        found = await session.execute(summed(rows, rows.c.bucket))
        points = {int(row["bucket"]): Sums.of(row) for row in found.mappings()}
        return [Series(None, "all", together(points.values()), points)]
    keys = await top(
        session,
        caller=caller,
        period=period,
        by=by,
        wanted=wanted,
        limit=limit,
        latency=latency,
    )
    column = COLUMNS[by]
    wished = SUMS if latency else PLAIN
    rows = over(caller, period, wanted=wanted, keys=(column,), steps=True, sums=wished)
    # A mark in front: an empty key is one of its own, and not the rest.
    key = rows.c[f"of_{column}"]
    name: Any = literal("")
    if keys:
        name = case((key.in_([one.key for one in keys]), literal("=") + key), else_="")
    inner = select(rows.c.bucket, name.label("key"), *(rows.c[sum_] for sum_ in wished)).subquery()
    by_key: dict[str, dict[int, Sums]] = {}
    for row in (await session.execute(summed(inner, inner.c.bucket, inner.c.key))).mappings():
        by_key.setdefault(str(row["key"]), {})[int(row["bucket"])] = Sums.of(row)
    told = [Series(one.key, one.label, one.totals, by_key.pop(f"={one.key}", {})) for one in keys]
    rest = by_key.pop("", {})
    if rest:
        told.append(Series(None, "other", together(rest.values()), rest))
    return told


def _check(caller: Principal, by: str) -> None:
    if by == "channel" and not caller.may(GatewayPermission.CHANNELS_READ):
        raise ChannelsHidden


async def _labels(session: AsyncSession, by: str, keys: Sequence[str]) -> dict[str, str]:
    """Names of what still exists; a model is its own."""
    if by == "group":
        rows = await session.execute(
            unscoped(
                select(Group.id, Group.name).where(Group.id.in_(keys)),
                "the keys are of rows that the caller sees",
            )
        )
        return {key: name or key for key, name in rows}
    if by in {"token", "channel"}:
        table: Any = Token if by == "token" else Channel
        statement = unscoped(
            select(table.id, table.name).where(table.id.in_(_uuids(keys))),
            "the keys are of rows that the caller sees",
        )
        return {str(key): name for key, name in await session.execute(statement)}
    return {}


def _uuids(texts: Iterable[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:  # none, or not one of ours
            continue
    return found
