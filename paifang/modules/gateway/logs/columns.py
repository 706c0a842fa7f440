"""Many records at once: what :func:`rows.row_of` makes of each, at a fraction of its cost.

Usual records are looked at column by column, by Python's own functions. When anything is unusual
(a number out of range, a text that is too long, a type that is none of ours) all of them go the
careful way, one by one: this module decides nothing, it only recognizes what needs no decision.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import compress
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String, Table

from paifang.core.db import UtcDateTime
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.logs.rows import MAX_BIGINT, MAX_INT, MAX_MS, Row

Columns = dict[str, Sequence[Any]]
"""Values by the names of the logs' columns, without ``id``; the same place in each is one row.

Moments are text in UTC, ``2026-03-04 12:00:00.123456``: every database takes it, and it sorts.
"""

_MILLION = 1_000_000
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999, in unix seconds: no datetime is later."""


class _Unusual(Exception):
    """A value that needs a closer look."""


def columns_of(records: Sequence[bytes]) -> Columns | None:
    """The rows of records that are as usual; None when any of them is not, or there is none."""
    try:
        rows = map(_VALUES, map(orjson.loads, records))
        columns = zip(*rows, strict=True)
        return {
            name: fit(values) for (name, fit), values in zip(_FITS.items(), columns, strict=True)
        }
    except (_Unusual, ValueError, KeyError, TypeError):
        return None


def columns_from(rows: Sequence[Row]) -> Columns:
    """The same of rows that were made one by one."""
    columns: Columns = {name: [row[name] for row in rows] for name in _FITS}
    for name in _MOMENTS:
        columns[name] = [to_text(moment) for moment in columns[name]]
    return columns


def joined(parts: Iterable[Columns]) -> Columns:
    """Several, one below the other."""
    columns: dict[str, list[Any]] = {name: [] for name in _FITS}
    for part in parts:
        for name, values in part.items():
            columns[name].extend(values)
    return dict(columns)


def chosen(columns: Columns, which: Sequence[bool]) -> Columns:
    """Only the rows of those places that are true."""
    return {name: list(compress(values, which)) for name, values in columns.items()}


def to_text(moment: datetime) -> str:
    """A moment as the columns hold it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def to_moment(text: str) -> datetime:
    """The moment that a column holds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# One function per column: it gives the values back as they are to be stored.

_Fit = Callable[[Sequence[Any]], Sequence[Any]]


def _text(column: Column[Any]) -> _Fit:
    longest: int = column.type.length  # type: ignore[attr-defined]  # it is a String

    def fit(values: Sequence[Any]) -> Sequence[Any]:
        present = _present(values) if column.nullable else values
        together = "".join(present)  # a TypeError when one is no text
        if "\0" in together:
            raise _Unusual
        if len(together) > longest and max(map(len, present)) > longest:
            raise _Unusual
        return values

    return fit


def _request_id(column: Column[Any]) -> _Fit:
    fit_text = _text(column)

    def fit(values: Sequence[Any]) -> Sequence[Any]:
        if not all(values):
            raise _Unusual
        return fit_text(values)

    return fit


def _number(column: Column[Any], kind: type, most: float) -> _Fit:
    def fit(values: Sequence[Any]) -> Sequence[Any]:
        present = _present(values) if column.nullable else values
        if present:
            # Exactly this type, since True is an int as well. (And JSON knows no NaN, which
            # neither comparison would find.)
            if set(map(type, present)) != {kind}:
                raise _Unusual
            if min(present) < 0 or max(present) > most:
                raise _Unusual
        return values

    return fit


def _flag(_column: Column[Any]) -> _Fit:
    def fit(values: Sequence[Any]) -> Sequence[Any]:
        if set(map(type, values)) != {bool}:
            raise _Unusual
        return values

    return fit


def _moment(column: Column[Any]) -> _Fit:
    fit_number = _number(column, float, _LAST_SECOND)

    def fit(values: Sequence[Any]) -> Sequence[Any]:
        values = fit_number(values)
        seconds = list(map(int, values))
        # As datetime.fromtimestamp rounds; a million more, for the zeros in front.
        micros = [
            round((value - second) * _MILLION) + _MILLION
            for value, second in zip(values, seconds, strict=True)
        ]
        if max(micros) == 2 * _MILLION:
            raise _Unusual
        return [
            start + str(micro)[1:]
            for start, micro in zip(map(_second, seconds), micros, strict=True)
        ]

    return fit


@lru_cache(maxsize=256)
def _second(second: int) -> str:
    """The text of a moment up to its point. Of calls that end together, many began together."""
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}."


def _present(values: Sequence[Any]) -> Sequence[Any]:
    return [value for value in values if value is not None] if None in values else values


def _fit(column: Column[Any]) -> _Fit:
    kind = column.type
    if isinstance(kind, String):
        return _request_id(column) if column.name == "request_id" else _text(column)
    if isinstance(kind, Boolean):
        return _flag(column)
    if isinstance(kind, UtcDateTime):
        return _moment(column)
    if isinstance(kind, Float):
        return _number(column, float, MAX_MS)
    if isinstance(kind, Integer):
        return _number(column, int, MAX_BIGINT if isinstance(kind, BigInteger) else MAX_INT)
    raise TypeError(f"column {column.name}: no rule for its type")


# From the table itself, so that a new column can't be forgotten here.
_LOGS: Table = Log.__table__  # type: ignore[assignment]  # a mapped table is a Table
COLUMNS: list[Column[Any]] = [column for column in _LOGS.columns if column.name != "id"]
"""Those that a record fills."""
_FITS = {column.name: _fit(column) for column in COLUMNS}
_VALUES = itemgetter(*_FITS)
_MOMENTS = [column.name for column in COLUMNS if isinstance(column.type, UtcDateTime)]
