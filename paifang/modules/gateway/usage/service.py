"""What calls came to, for charts. It only reads; ``rolling`` sums up."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, literal, select
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
    rows = over(caller, first=period.first, last=period.last, wanted=wanted, keys=())
    return Sums.of((await session.execute(summed(rows))).mappings().one())


async def top(
    session: AsyncSession,
    *,
    caller: Principal,
    period: Period,
    by: str,
    wanted: dict[str, str],
    limit: int,
) -> list[Series]:
    """The keys that cost most, or were called most, without their points.

    Raises:
        ChannelsHidden: ``by`` is ``channel``, and the caller may not read channels.
    """
    _check(caller, by)
    column = COLUMNS[by]
    rows = over(caller, first=period.first, last=period.last, wanted=wanted, keys=(column,))
    statement = summed(rows, rows.c[column])
    found = await session.execute(_most(statement, rows).limit(limit))
    keyed = [(str(row[column]), Sums.of(row)) for row in found.mappings()]
    labels = await _labels(session, by, [key for key, _ in keyed])
    return [Series(key, labels.get(key, key), sums, {}) for key, sums in keyed]


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
    """Sums by step: of all, or of the keys that cost most, and one of the rest. With ``latency``
    the steps say how long calls took, too; the sums of a whole series do in any case.

    Raises:
        ChannelsHidden: ``by`` is ``channel``, and the caller may not read channels.
    """
    keys: list[Series] = []
    if by is not None:
        keys = await top(session, caller=caller, period=period, by=by, wanted=wanted, limit=limit)
    column = COLUMNS[by] if by is not None else None
    rows = over(
        caller,
        first=period.first,
        last=period.last,
        wanted=wanted,
        keys=() if column is None else (column,),
        sums=SUMS if latency or by is None else PLAIN,
    )
    named = [one.key for one in keys]
    key: Any = literal("")
    if column is not None and named:
        # A mark in front: an empty key is one of its own, and not the rest.
        key = case((rows.c[column].in_(named), "=" + rows.c[column]), else_="")
    statement = _by_step(rows, period, key)
    found: dict[str, dict[int, Sums]] = {}
    for row in (await session.execute(statement)).mappings():
        found.setdefault(str(row["key"]), {})[int(row["bucket"])] = Sums.of(row)
    told = [Series(one.key, one.label, one.totals, found.pop(f"={one.key}", {})) for one in keys]
    rest = found.pop("", {})
    if rest or by is None:
        told.append(Series(None, "other" if by else "all", together(rest.values()), rest))
    return told


def _by_step(rows: Any, period: Period, key: Any) -> Select[Any]:
    """Grouped by names: the databases need not see that two long expressions are the same one."""
    inner = select(
        period.bucket(rows.c.hour).label("bucket"),
        key.label("key"),
        *(rows.c[name] for name in SUMS if name in rows.c),
    ).subquery()
    return summed(inner, inner.c.bucket, inner.c.key)


def _most(statement: Select[Any], rows: Any) -> Select[Any]:
    return statement.order_by(func.sum(rows.c.cost).desc(), func.sum(rows.c.calls).desc())


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
