"""One select over what is summed up and what is not yet: exact to the second, whoever asks."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    func,
    or_,
    select,
    type_coerce,
    union_all,
)

from paifang.core.auth import Principal
from paifang.core.scope import visible
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.usage.models import (
    BOUNDS,
    SUMS,
    UsageHour,
    UsagePosition,
    unix_hour,
)


def log_keys() -> dict[str, ColumnElement[Any]]:
    """What of a log decides into which row of the hours it goes."""
    return {
        "hour": unix_hour(Log.started_at),
        "group_id": type_coerce(Log.group_id, String),
        "token_id": func.coalesce(Log.token_id, ""),
        "channel_id": func.coalesce(Log.channel_id, ""),
        "model": type_coerce(Log.model, String),
    }


def log_sums() -> dict[str, ColumnElement[Any]]:
    """What of the logs adds up, as :class:`UsageHour` names it."""
    failed = or_(Log.status >= 400, Log.outcome.in_(("upstream_error", "interrupted")))
    read = Log.input + Log.cached_input + Log.cache_write
    written = Log.output + Log.reasoning
    completed = Log.outcome == "completed"
    sums: dict[str, ColumnElement[Any]] = {
        "calls": func.count(),
        "errors": _count(failed),
        "refused": _count(Log.outcome == "refused"),
        "input": func.sum(read),
        "cached": func.sum(Log.cached_input),
        "output": func.sum(written),
        "cost": func.sum(func.coalesce(Log.cost, 0)),
        "unpriced": _count(and_(Log.cost.is_(None), read + written > 0)),
    }
    lower: float = -1
    for at, bound in enumerate((*BOUNDS, None)):
        within = Log.duration_ms >= lower
        if bound is not None:
            within = and_(within, Log.duration_ms < bound)
            lower = bound
        sums[f"d{at}"] = _count(and_(completed, within))
    return {name: cast(value, BigInteger) for name, value in sums.items()}


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def over(
    caller: Principal,
    *,
    first: int,
    last: int,
    wanted: dict[str, str],
    keys: Sequence[str],
    sums: Sequence[str] = SUMS,
) -> Subquery:
    """What the caller sees of the hours from ``first`` to before ``last``: hour, ``keys``, sums.

    Args:
        caller: Whoever asks.
        first: The first hour, in whole hours from 1970.
        last: The hour behind the last.
        wanted: Values that columns of :data:`KEYS` must have.
        keys: Columns to tell, beside the hour.
        sums: The sums that are wanted; each costs its part of the time.
    """
    # Not summed here: the hours are added up once, by whatever they are asked for.
    stored: Select[Any] = visible(
        select(
            UsageHour.hour,
            *(getattr(UsageHour, key) for key in keys),
            *(getattr(UsageHour, name) for name in sums),
        ),
        caller,
        of=UsageHour,
    ).where(
        UsageHour.hour >= first,
        UsageHour.hour < last,
        *(getattr(UsageHour, name) == value for name, value in wanted.items()),
    )
    of_log, log_parts = log_keys(), log_sums()
    position = select(func.coalesce(func.max(UsagePosition.log_id), 0)).scalar_subquery()
    later: Select[Any] = (
        visible(
            select(
                of_log["hour"].label("hour"),
                *(of_log[key].label(key) for key in keys),
                *(log_parts[name].label(name) for name in sums),
            ),
            caller,
            of=Log,
        )
        .where(
            Log.id > position,
            of_log["hour"] >= first,
            of_log["hour"] < last,
            *(of_log[name] == value for name, value in wanted.items()),
        )
        .group_by(*(of_log[key] for key in ("hour", *keys)))
    )
    return union_all(stored, later).subquery()


def summed(rows: Subquery, *by: ColumnElement[Any]) -> Select[Any]:
    """The sums of those rows, grouped by some expressions over them."""
    columns = [func.sum(rows.c[name]).label(name) for name in SUMS if name in rows.c]
    return select(*by, *columns).group_by(*by) if by else select(*columns)
