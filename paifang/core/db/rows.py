"""Rows that several transactions may make at the same moment."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncSession


async def make_unless_there(
    session: AsyncSession, table: Table, key: str, values: Mapping[str, Any]
) -> None:
    """Insert a row, or lock the one that is there and leave it as it is.

    An insert that only fails will not do on MariaDB: each that failed holds a shared lock on the
    row, none of them gets the exclusive one that it asks for next, and all but one are refused as
    a deadlock.

    Args:
        session: The caller's transaction.
        table: Where.
        key: The column of its primary key.
        values: The new row.
    """
    kind = (await session.connection()).dialect.name
    new: Any
    if kind in {"mysql", "mariadb"}:
        from sqlalchemy.dialects import mysql  # noqa: PLC0415  # for MariaDB alone

        new = mysql.insert(table).values(**values)
        statement = new.on_duplicate_key_update({key: new.inserted[key]})
    else:
        if kind == "postgresql":
            from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # for PostgreSQL alone

            new = postgresql.insert(table).values(**values)
        else:
            from sqlalchemy.dialects import sqlite  # noqa: PLC0415  # for SQLite alone

            new = sqlite.insert(table).values(**values)
        statement = new.on_conflict_do_update(index_elements=[key], set_={key: new.excluded[key]})
    await session.execute(statement)
