"""The tables of usage: the logs summed up by the hour, and how far that has come."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Index, Integer, String, false, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from paifang.core.db import Base
from paifang.core.scope import Scope, Scoped, unscoped
from paifang.modules.gateway.logs.models import dashed
from paifang.modules.gateway.members.models import MANAGING, groups_of, reached
from paifang.modules.gateway.tokens.models import Token

if TYPE_CHECKING:
    from paifang.core.auth import Principal

BOUNDS = (
    50,
    100,
    200,
    400,
    700,
    1000,
    1500,
    2000,
    3000,
    5000,
    8000,
    12_000,
    20_000,
    30_000,
    60_000,
)
"""Milliseconds at which the buckets of durations end; one more holds what took longer."""


class unix_hour(FunctionElement[int]):  # noqa: N801 - written like a function of SQL
    """The number of whole hours from 1970 to a moment."""

    inherit_cache = True
    type = Integer()


@compiles(unix_hour)
def _postgresql_hour(element: Any, compiler: Any, **kwargs: Any) -> str:
    column = compiler.process(element.clauses, **kwargs)
    return f"cast(floor(extract(epoch from {column}) / 3600) as integer)"


@compiles(unix_hour, "sqlite")
def _sqlite_hour(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"cast(strftime('%s', {compiler.process(element.clauses, **kwargs)}) as integer) / 3600"


@compiles(unix_hour, "mariadb")
@compiles(unix_hour, "mysql")
def _mariadb_hour(element: Any, compiler: Any, **kwargs: Any) -> str:
    column = compiler.process(element.clauses, **kwargs)
    return f"timestampdiff(hour, '1970-01-01 00:00:00', {column})"


class UsageHour(Scoped, Base):
    """What the calls of one hour, group, token, channel and model came to. It stays when the logs
    are deleted.
    """

    __tablename__ = "usage_hours"
    __table_args__ = (
        Index("ix_usage_hours_group_id_hour", "group_id", "hour"),
        Index("ix_usage_hours_token_id_hour", "token_id", "hour"),
    )

    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Whole hours from 1970, UTC, in which the calls began."""
    group_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    """Empty where there was none."""
    channel_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    """Empty where none was asked."""
    model: Mapped[str] = mapped_column(String(128), primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int] = mapped_column(BigInteger)
    """Answered with a status of 400 or more, or broken off by the upstream; refusals are among
    them."""
    refused: Mapped[int] = mapped_column(BigInteger)
    """Refused by us: limits, models, addresses."""
    input: Mapped[int] = mapped_column(BigInteger)
    """Model tokens read, from a cache or not."""
    cached: Mapped[int] = mapped_column(BigInteger)
    """Those of them that came from the provider's cache."""
    output: Mapped[int] = mapped_column(BigInteger)
    """Model tokens written, reasoning included."""
    cost: Mapped[int] = mapped_column(BigInteger)
    """Nanos; what has no price is not in it."""
    unpriced: Mapped[int] = mapped_column(BigInteger)
    """Calls that used model tokens without a price."""
    d0: Mapped[int] = mapped_column(BigInteger)
    """Completed calls by how long they took: each of :data:`BOUNDS` ends a bucket."""
    d1: Mapped[int] = mapped_column(BigInteger)
    d2: Mapped[int] = mapped_column(BigInteger)
    d3: Mapped[int] = mapped_column(BigInteger)
    d4: Mapped[int] = mapped_column(BigInteger)
    d5: Mapped[int] = mapped_column(BigInteger)
    d6: Mapped[int] = mapped_column(BigInteger)
    d7: Mapped[int] = mapped_column(BigInteger)
    d8: Mapped[int] = mapped_column(BigInteger)
    d9: Mapped[int] = mapped_column(BigInteger)
    d10: Mapped[int] = mapped_column(BigInteger)
    d11: Mapped[int] = mapped_column(BigInteger)
    d12: Mapped[int] = mapped_column(BigInteger)
    d13: Mapped[int] = mapped_column(BigInteger)
    d14: Mapped[int] = mapped_column(BigInteger)
    d15: Mapped[int] = mapped_column(BigInteger)

    @classmethod
    def scope_clause(cls, scope: Scope, caller: "Principal") -> ColumnElement[bool]:
        """As of logs: all of the groups that are managed, and what the caller's own tokens did."""
        clauses = reached(cls.group_id, scope, caller, *MANAGING)
        if caller.user_id is not None and scope.own:
            tokens = unscoped(
                select(dashed(Token.id)).where(
                    Token.user_id == caller.user_id, Token.group_id.in_(groups_of(caller.user_id))
                ),
                "they are the caller's own",
            )
            clauses.append(cls.token_id.in_(tokens))
        return or_(false(), *clauses)


KEYS = ("hour", "group_id", "token_id", "channel_id", "model")
SUMS = tuple(column.key for column in UsageHour.__table__.columns if column.key not in KEYS)
"""The columns that add up."""


class UsagePosition(Base):
    """How far the logs are summed up: one row. Later logs are summed when somebody asks."""

    __tablename__ = "usage_position"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    log_id: Mapped[int] = mapped_column(BigInteger)
    """Logs up to this one are in the hours."""
    seen_id: Mapped[int] = mapped_column(BigInteger)
    """The newest log at ``seen_at``: what is below it is committed some minutes later for sure."""
    seen_at: Mapped[datetime]
