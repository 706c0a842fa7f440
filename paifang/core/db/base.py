"""The base of all models, and types that hold the same on SQLite, PostgreSQL and MariaDB."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, MetaData, String, Uuid
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.types import TypeDecorator, TypeEngine


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond.

    Aware datetimes go in and come out. The plain type drops the offset on SQLite and MariaDB,
    and the microseconds on MariaDB: a wrong instant without an error.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Microseconds on MariaDB, time zone on PostgreSQL."""
        if dialect.name in {"mysql", "mariadb"}:
            from sqlalchemy.dialects import mysql  # noqa: PLC0415  # a megabyte for MariaDB alone

            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive datetimes, hand over UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone can't be stored; use utc_now()")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back an aware datetime."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


@compiles(CreateTable, "mariadb", "mysql")
def _exact_text(element: CreateTable, compiler: DDLCompiler, **kwargs: Any) -> str:
    """Compare text exactly on MariaDB too, whose default takes ``Team`` for ``team``."""
    made: str = compiler.visit_create_table(element, **kwargs)  # type: ignore[no-untyped-call]  # has none
    return made.rstrip() + " DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin"


# SQLite counts only a column of exactly INTEGER PRIMARY KEY up by itself.
BigSerial = BigInteger().with_variant(Integer, "sqlite")
"""A bigint primary key that the database counts up."""


class Base(DeclarativeBase):
    """Base of all models. Constraints are named, so that migrations can speak of them.

    Primary keys are not: MariaDB ignores their names with a warning, and the other two make
    good ones.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        UUID: Uuid(),
        str: String(255),
        dict[str, Any]: JSON(),
        dict[str, str]: JSON(),
        list[str]: JSON(),
    }
