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
    KEYS,
    SUMS,
    UsageHour,
    UsagePosition,
    unix_hour,
)
from paifang.modules.gateway.usage.periods import Period


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
    period: Period,
    *,
    wanted: dict[str, str],
    keys: Sequence[str] = (),
    steps: bool = False,
    sums: Sequence[str] = SUMS,
) -> Subquery:
    """What the caller sees of a period: ``keys``, sums, and with ``steps`` the ``bucket``. What is
    stored and what is not yet are rows of their own; :func:`summed` adds them.

    Args:
        caller: Whoever asks.
        period: When the calls began.
        wanted: Values that columns of :data:`KEYS` must have.
        keys: Columns to tell them apart by.
        steps: Whether to tell the steps of the period apart.
        sums: The sums that are wanted; each costs its part of the time.
    """
    hours = {key: getattr(UsageHour, key) for key in KEYS}
    stored = {name: func.sum(getattr(UsageHour, name)) for name in sums}
    position = select(func.coalesce(func.max(UsagePosition.log_id), 0)).scalar_subquery()
    later = {name: value for name, value in log_sums().items() if name in sums}

    def part(columns: dict[str, Any], values: dict[str, Any], of: Any) -> Any:
        told = [period.bucket(columns["hour"]).label("bucket")] if steps else []
        told += [columns[key].label(f"of_{key}") for key in keys]
        statement = visible(
            select(*told, *(value.label(name) for name, value in values.items())), caller, of=of
        ).where(
            columns["hour"] >= period.first,
            columns["hour"] < period.last,
            *(columns[name] == value for name, value in wanted.items()),
        )
        # By their names: a database need not see that two long expressions are the same.
        return statement.group_by(*(column.name for column in told)) if told else statement

    return union_all(
        part(hours, stored, UsageHour), part(log_keys(), later, Log).where(Log.id > position)
    ).subquery()


def summed(rows: Subquery, *by: ColumnElement[Any]) -> Select[Any]:
    """The sums of those rows, grouped by some of their columns."""
    columns: list[Any] = [func.sum(rows.c[name]).label(name) for name in SUMS if name in rows.c]
    return select(*by, *columns).group_by(*by) if by else select(*columns)
