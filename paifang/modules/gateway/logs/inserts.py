"""Statements that put many rows into the logs, in the way that costs each driver least.

They take the columns as they are and go past SQLAlchemy's treatment of single values, and as far
as can be past the driver's. A row that is there already, or that the table does not take, fails
its statement, and that the transaction.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

import orjson
from sqlalchemy import Boolean, Column, Float, String

from paifang.core.db import UtcDateTime
from paifang.modules.gateway.logs.columns import COLUMNS, Columns

Execution = tuple[str, Any]
"""A statement and its parameters: a tuple of them, or a list of tuples for that many times."""

SQLITE_ROWS = 32
"""Rows of one INSERT on SQLite: as many as take fewer than 1,000 parameters, all that an old
SQLite allows. To bind them it holds the interpreter for a twentieth of a millisecond, and lets go
of it while it stores them; with statements of one row, the relay would be interrupted as often as
there are rows."""


def inserts(kind: str, columns: Columns) -> list[Execution]:
    """What puts these rows into the logs of a database of that kind, in their order.

    Each is to be run with ``exec_driver_sql``. The work is done here, where it may be in a
    thread, not there, where it would be on the event loop.
    """
    return list(_KINDS[kind](columns))


def append(executions: list[Execution], more: Iterable[Execution]) -> None:
    """Add some behind others: what may be run many times is run together with its like."""
    for statement, parameters in more:
        if isinstance(parameters, list) and executions and executions[-1][0] == statement:
            executions[-1][1].extend(parameters)
        else:
            executions.append((statement, parameters))


def _rows(columns: Columns) -> list[tuple[Any, ...]]:
    """Rows of numbers and texts alone: SQLite's driver takes its time over a boolean."""
    values = [
        map(int, columns[column.name]) if isinstance(column.type, Boolean) else columns[column.name]
        for column in COLUMNS
    ]
    return list(zip(*values, strict=True))


def _sqlite(columns: Columns) -> Iterator[Execution]:
    rows = _rows(columns)
    whole = len(rows) - len(rows) % SQLITE_ROWS
    if whole:
        starts = range(0, whole, SQLITE_ROWS)
        flat = [tuple(chain.from_iterable(rows[at : at + SQLITE_ROWS])) for at in starts]
        yield _SQLITE_MANY, flat
    if whole < len(rows):
        yield _SQLITE_ONE, rows[whole:]


def _postgresql(columns: Columns) -> Iterator[Execution]:
    """An array per column, written as text: asyncpg takes longer over a list of many values."""
    if columns["request_id"]:
        yield (
            _postgresql_insert(),
            tuple(
                _texts(columns[column.name])
                if isinstance(column.type, String | UtcDateTime)
                else f"{{{orjson.dumps(columns[column.name]).decode()[1:-1]}}}"
                for column in COLUMNS
            ),
        )


def _texts(values: Sequence[str | None]) -> str:
    """PostgreSQL's text of an array of texts."""
    if None in values:
        return f"{{{','.join('NULL' if v is None else _quoted(v) for v in values)}}}"
    texts: Sequence[str] = values  # type: ignore[assignment]  # there is no None in it
    together = '","'.join(texts)
    if "\\" in together or together.count('"') != 2 * (len(texts) - 1):
        return f"{{{','.join(map(_quoted, texts))}}}"
    return f'{{"{together}"}}'


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mariadb(columns: Columns) -> Iterator[Execution]:
    """One JSON, in hex: the driver would look at each character of a text, in Python."""
    if rows := _rows(columns):
        yield _MARIADB, (orjson.dumps(rows).hex(),)


_KINDS: dict[str, Callable[[Columns], Iterator[Execution]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mariadb": _mariadb,
}

_NAMES = ", ".join(column.name for column in COLUMNS)


def _sqlite_insert(rows: int) -> str:
    # "Or fail": what a failing statement has done may stay, since the transaction is rolled back.
    # Else SQLite would keep for each statement what it takes to undo it alone: a third more work.
    row = f"({', '.join('?' for _ in COLUMNS)})"
    return f"insert or fail into logs ({_NAMES}) values {', '.join(row for _ in range(rows))}"  # noqa: S608 - of names alone


@cache
def _postgresql_insert() -> str:
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # megabytes, for PostgreSQL alone

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # has none
    arrays, values = [], []
    for number, column in enumerate(COLUMNS, 1):
        kind, value = column.type.compile(dialect), column.name
        if isinstance(column.type, String):
            kind = "text"  # a cast to varchar(n) cuts without a word
        if isinstance(column.type, UtcDateTime):
            kind, value = "timestamp", f"{value} at time zone 'UTC'"
        arrays.append(f"${number}::text::{kind}[]")
        values.append(value)
    return (
        f"insert into logs ({_NAMES}) select {', '.join(values)}"  # noqa: S608 - of names alone
        f" from unnest({', '.join(arrays)}) as r ({_NAMES})"
    )


def _mariadb_insert() -> str:
    columns = ", ".join(
        f"{column.name} {_json_type(column)} path '$[{place}]'"
        for place, column in enumerate(COLUMNS)
    )
    return (
        f"insert into logs ({_NAMES}) select {_NAMES} from json_table("  # noqa: S608 - of names alone
        f"convert(unhex(%s) using utf8mb4), '$[*]' columns ({columns})) as r"
    )


def _json_type(column: Column[Any]) -> str:
    """Wider than the column: what is taken out of a JSON is cut without a word, and what is then
    put into the table is not.
    """
    kind = column.type
    if isinstance(kind, String):
        longest: int = kind.length  # type: ignore[assignment]  # each has one
        return f"varchar({longest + 1})"
    if isinstance(kind, UtcDateTime):
        return "varchar(32)"
    return "double" if isinstance(kind, Float) else "bigint"


_SQLITE_ONE = _sqlite_insert(1)
_SQLITE_MANY = _sqlite_insert(SQLITE_ROWS)
_MARIADB = _mariadb_insert()
