"""Lists that are asked for all the time: the select is compiled once and run on the driver.

SQLAlchemy still says what the SQL is, in each database's own words, and what becomes of each
value on its way in and out. What is left out is the work that is the same every time: building
the statement, finding its compiled form, and rows as objects.
"""

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Annotated, Any, get_args
from uuid import UUID

import orjson
from fastapi import Depends, Request
from pydantic import BaseModel, PlainSerializer
from sqlalchemy import Dialect, Float, Select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from starlette.responses import Response

from paifang.core.db import Database
from paifang.core.pagination import Page

log = logging.getLogger(__name__)

Row = list[Any]
Processor = Callable[[Any], Any]

MAX_SHAPES = 256
"""Compiled forms that one list keeps: one for each set of filters and order that was asked for."""

watchers: list[Callable[[str], None]] = []
"""Are told each statement; for tests that count them."""


class _Compiled:
    """A select as one driver takes it."""

    __slots__ = ("_fixed", "_in", "_out", "sql", "statement")

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        if compiled.post_compile_params:
            raise TypeError(f"a list in a hot select is written as named bindparams: {compiled}")
        self.statement = statement
        self.sql: str = compiled.string
        processors = compiled._bind_processors  # noqa: SLF001 - there is no other way to them
        order: Sequence[str] = compiled.positiontup or ()
        self._in: list[tuple[str, Processor | None]] = [
            (name, processors.get(name)) for name in order
        ]
        self._fixed = {
            name: bind.value for name, bind in compiled.binds.items() if not bind.required
        }
        found = (
            _result_processor(column.type, dialect)
            for column in compiled._result_columns  # noqa: SLF001 - the same
        )
        self._out: list[tuple[int, Processor]] = [
            (place, processor) for place, processor in enumerate(found) if processor is not None
        ]

    def parameters(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """The values in the driver's order and types; KeyError where one is missing."""
        fixed = self._fixed
        found = []
        for name, processor in self._in:
            value = values[name] if name in values else fixed[name]
            found.append(value if processor is None else processor(value))
        return tuple(found)

    def rows(self, raw: Sequence[Sequence[Any]]) -> list[Row]:
        """What the driver gave, in Python's types."""
        out = self._out
        rows = [list(row) for row in raw]
        for row in rows:
            for place, processor in out:
                row[place] = processor(row[place])
        return rows


def _result_processor(kind: Any, dialect: Dialect) -> Processor | None:
    """What makes a driver's value one of Python's; None where it is one already."""
    if isinstance(kind, Float):
        return None  # all three give floats, and PostgreSQL's dialect would want to be told
    found: Processor | None = kind._cached_result_processor(dialect, None)  # noqa: SLF001 - as above
    return found


class HotSelect:
    """A select in several shapes, each compiled when it is first asked for.

    Args:
        build: Makes the statement of a shape. What changes from call to call is a named
            ``bindparam``; what changes the SQL itself is part of the shape.
    """

    def __init__(self, build: Callable[..., Select[Any]]) -> None:
        self._build = build
        self._compiled: OrderedDict[Hashable, _Compiled] = OrderedDict()

    async def rows(
        self, on: AsyncSession | AsyncConnection, *shape: Hashable, **values: Any
    ) -> list[Row]:
        """The rows of a shape, each a list in the order of the statement's columns.

        Args:
            on: A session or a connection; with a transaction under way, the rows are its own.
            shape: What ``build`` takes.
            values: The statement's bound values by name.

        Raises:
            SQLAlchemyError: as the same statement in the ordinary way would.
        """
        connection = on if isinstance(on, AsyncConnection) else await on.connection()
        dialect = connection.dialect
        compiled = self._find(dialect, shape)
        for watcher in watchers:
            watcher(compiled.sql)
        driver = (await connection.get_raw_connection()).driver_connection
        try:
            raw = await _RUN[dialect.driver](driver, compiled.sql, compiled.parameters(values))
        except Exception as error:  # noqa: BLE001  # a driver's own
            # The ordinary way names it for everybody, or knows better.
            log.debug("a hot select goes the ordinary way: %s", error)
            result = await connection.execute(compiled.statement, values)
            return [list(row) for row in result]
        return compiled.rows(raw)

    def _find(self, dialect: Dialect, shape: tuple[Hashable, ...]) -> _Compiled:
        key = (dialect.name, shape)
        known = self._compiled.get(key)
        if known is None:
            known = self._compiled[key] = _Compiled(self._build(*shape), dialect)
            if len(self._compiled) > MAX_SHAPES:
                self._compiled.popitem(last=False)
        return known


async def _aiosqlite(driver: Any, sql: str, values: tuple[Any, ...]) -> Sequence[Sequence[Any]]:
    rows: Sequence[Sequence[Any]] = await driver.execute_fetchall(sql, values)
    return rows


async def _asyncpg(driver: Any, sql: str, values: tuple[Any, ...]) -> Sequence[Sequence[Any]]:
    rows: Sequence[Sequence[Any]] = await driver.fetch(sql, *values)
    return rows


async def _asyncmy(driver: Any, sql: str, values: tuple[Any, ...]) -> Sequence[Sequence[Any]]:
    async with driver.cursor() as cursor:
        await cursor.execute(sql, values or None)
        rows: Sequence[Sequence[Any]] = await cursor.fetchall()
        return rows


_RUN = {"aiosqlite": _aiosqlite, "asyncpg": _asyncpg, "asyncmy": _asyncmy}


async def _connection(request: Request) -> AsyncIterator[AsyncConnection]:
    database: Database = request.app.state.runtime.db
    async with reading(database) as connection:
        yield connection


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection for one statement or a few that need no common moment: no transaction is begun
    unless one of them goes the ordinary way.
    """
    connecting = database.engine.connect()
    try:
        connection = await connecting.start()
    except OSError as error:  # the drivers have no one name for "it is away"
        raise OperationalError("connect", None, error) from error
    try:
        yield connection
    finally:
        await connection.close()


HotDb = Annotated[AsyncConnection, Depends(_connection, scope="function")]
"""A route's parameter: a connection for :class:`HotSelect`, cheaper than a session."""


def hot_page(page: Page[dict[str, Any]], schema: type[BaseModel]) -> Response:
    """A page as the answer of a route whose ``response_model`` is ``Page[schema]``.

    What our own statements give is not checked again; it is written as the schema would.
    """
    return hot_json(
        {
            "items": shown(page.items, schema),
            "total": page.total,
            "page": page.page,
            "page_size": page.page_size,
        }
    )


def hot_json(value: Any) -> Response:
    """An answer of what :func:`shown` gives."""
    data = orjson.dumps(value, option=orjson.OPT_UTC_Z, default=_driver_types)
    return Response(data, media_type="application/json")


def _driver_types(value: Any) -> Any:
    """What a driver has types of its own for: asyncpg's UUID is a subclass."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def shown(rows: Iterable[Mapping[str, Any]], schema: type[BaseModel]) -> list[dict[str, Any]]:
    """Rows by the schema's fields, each as the schema would serialize it. The values are of the
    schema's types, or the fields' own serializers make them so.
    """
    names, serializers = _fields(schema)
    found = [{name: row[name] for name in names} for row in rows]
    for row in found:
        for name, serialize in serializers:
            value = row[name]
            if value is not None:
                row[name] = serialize(value)
    return found


@cache
def _fields(
    schema: type[BaseModel],
) -> tuple[tuple[str, ...], tuple[tuple[str, Processor], ...]]:
    serializers = []
    for name, field in schema.model_fields.items():
        parts: list[Any] = [*field.metadata, *_parts(field.annotation)]
        serializers += [(name, part.func) for part in parts if isinstance(part, PlainSerializer)]
    return tuple(schema.model_fields), tuple(serializers)  # type: ignore[arg-type]  # of one value


def _parts(annotation: Any) -> Iterable[Any]:
    for part in get_args(annotation):
        yield part
        yield from _parts(part)
