"""Rows for the logs from the relay's records: whatever a record holds, its row fits the table."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String

from paifang.core.db import UtcDateTime
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.relay.record import Record

Row = dict[str, Any]

MAX_INT = 2**31 - 1
MAX_BIGINT = 2**63 - 1
MAX_MS = 1e12
"""Thirty years: a duration beyond it is no duration, and MariaDB's floats end somewhere."""


def row_of(data: bytes) -> Row:
    """The row of a journal record. Texts that are too long are cut, numbers brought into range.

    Raises:
        ValueError: it is no record, lacks a field, or holds one of another type.
    """
    record = Record.from_bytes(data)
    row = {name: fit(getattr(record, name)) for name, fit in _FITS.items()}
    # Cut, it could be taken for another call's.
    if row["request_id"] != record.request_id or not record.request_id:
        raise ValueError("request_id must be 1 to 64 characters")
    return row


def _text(column: Column[Any]) -> Callable[[Any], str | None]:
    longest: int = column.type.length  # type: ignore[attr-defined]  # it is a String

    def fit(value: Any) -> str | None:
        if value is None and column.nullable:
            return None
        if not isinstance(value, str):
            raise ValueError(f"{column.name} must be text")
        return value.replace("\0", "")[:longest]  # PostgreSQL takes no NUL

    return fit


def _whole(column: Column[Any], most: int) -> Callable[[Any], int | None]:
    def fit(value: Any) -> int | None:
        if value is None and column.nullable:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{column.name} must be a whole number")
        return max(0, min(value, most))

    return fit


def _number(column: Column[Any]) -> Callable[[Any], float | None]:
    def fit(value: Any) -> float | None:
        if value is None and column.nullable:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
            raise ValueError(f"{column.name} must be a number")
        return max(0.0, min(float(value), MAX_MS))

    return fit


def _flag(column: Column[Any]) -> Callable[[Any], bool]:
    def fit(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{column.name} must be true or false")
        return value

    return fit


def _moment(column: Column[Any]) -> Callable[[Any], datetime]:
    def fit(value: Any) -> datetime:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(f"{column.name} must be unix seconds")
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise ValueError(f"{column.name} is no moment") from error

    return fit


def _fit(column: Column[Any]) -> Callable[[Any], Any]:
    kind = column.type
    if isinstance(kind, String):
        return _text(column)
    if isinstance(kind, Boolean):
        return _flag(column)
    if isinstance(kind, UtcDateTime):
        return _moment(column)
    if isinstance(kind, Float):
        return _number(column)
    if isinstance(kind, BigInteger):  # before Integer, which is its base
        return _whole(column, MAX_BIGINT)
    if isinstance(kind, Integer):
        return _whole(column, MAX_INT)
    raise TypeError(f"column {column.name}: no rule for its type")


# From the table itself, so that a new column can't be forgotten here.
_COLUMNS: Iterable[Column[Any]] = Log.__table__.columns  # type: ignore[assignment]  # a Table's are
_FITS = {column.name: _fit(column) for column in _COLUMNS if column.name != "id"}
