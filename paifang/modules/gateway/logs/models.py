"""The tables of logs: one row per finished call, and how far each journal has been read."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Index, String, false, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from paifang.core.db import Base
from paifang.core.db.base import BigSerial
from paifang.core.scope import Scope, Scoped, unscoped
from paifang.modules.gateway.members.models import MANAGING, groups_of, reached
from paifang.modules.gateway.tokens.models import Token

if TYPE_CHECKING:
    from paifang.core.auth import Principal


class dashed(FunctionElement[str]):  # noqa: N801 - written like a function of SQL
    """A UUID's column as text with dashes, as the logs name tokens and channels."""

    inherit_cache = True
    type = String(36)


@compiles(dashed, "mariadb")
@compiles(dashed, "mysql")
def _dashed_char(element: Any, compiler: Any, **kwargs: Any) -> str:
    return f"cast({compiler.process(element.clauses, **kwargs)} as char(36))"


@compiles(dashed)
def _dashed(element: Any, compiler: Any, **kwargs: Any) -> str:
    # Not char: PostgreSQL would then compare in a way that no index of a varchar serves.
    return f"cast({compiler.process(element.clauses, **kwargs)} as varchar(36))"


@compiles(dashed, "sqlite")
def _dashed_hex(element: Any, compiler: Any, **kwargs: Any) -> str:
    # SQLite has the 32 digits alone.
    column = compiler.process(element.clauses, **kwargs)
    parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    return " || '-' || ".join(f"substr({column}, {at}, {size})" for at, size in parts)


class Log(Scoped, Base):
    """One finished call: the fields of the relay's record. Names are kept, so that a log still
    reads when its token or channel is gone.
    """

    __tablename__ = "logs"
    __table_args__ = (
        Index("ix_logs_group_id_id", "group_id", "id"),
        Index("ix_logs_token_id_id", "token_id", "id"),
        Index("ix_logs_channel_id_id", "channel_id", "id"),
        Index("ix_logs_model_id", "model", "id"),
    )

    id: Mapped[int] = mapped_column(BigSerial, primary_key=True)
    request_id: Mapped[str] = mapped_column(String(64), unique=True)
    started_at: Mapped[datetime] = mapped_column(index=True)
    group_id: Mapped[str] = mapped_column(String(64))
    token_id: Mapped[str | None] = mapped_column(String(36))
    token_name: Mapped[str] = mapped_column(String(64))
    person: Mapped[str | None] = mapped_column(String(64))
    purpose: Mapped[str] = mapped_column(String(32))
    channel_id: Mapped[str | None] = mapped_column(String(36))
    channel_name: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(128))
    upstream_model: Mapped[str] = mapped_column(String(128))
    endpoint: Mapped[str] = mapped_column(String(64))
    stream: Mapped[bool]
    status: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(16))
    error: Mapped[str] = mapped_column(String(64))
    attempts: Mapped[int]
    duration_ms: Mapped[float]
    first_byte_ms: Mapped[float | None]
    input: Mapped[int] = mapped_column(BigInteger)
    cached_input: Mapped[int] = mapped_column(BigInteger)
    cache_write: Mapped[int] = mapped_column(BigInteger)
    output: Mapped[int] = mapped_column(BigInteger)
    reasoning: Mapped[int] = mapped_column(BigInteger)
    estimated: Mapped[bool]
    cost: Mapped[int | None] = mapped_column(BigInteger)
    """Nanos; NULL when no price was known."""
    price_id: Mapped[str | None] = mapped_column(String(36))
    ip: Mapped[str] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(200))

    @property
    def tokens(self) -> int:
        """All model tokens, in and out."""
        return self.input + self.cached_input + self.cache_write + self.output + self.reasoning

    @property
    def unpriced(self) -> bool:
        """Model tokens were consumed and no price was known."""
        return self.cost is None and self.tokens > 0

    @classmethod
    def scope_clause(cls, scope: Scope, caller: "Principal") -> ColumnElement[bool]:
        """All calls of the groups that the caller manages or reaches through a department; where
        they are a plain member, what their own tokens did.
        """
        clauses = reached(cls.group_id, scope, caller, *MANAGING)
        if caller.user_id is not None and scope.own:
            mine = groups_of(caller.user_id)
            tokens = unscoped(
                select(dashed(Token.id)).where(
                    Token.user_id == caller.user_id, Token.group_id.in_(mine)
                ),
                "they are the caller's own",
            )
            clauses.append(cls.token_id.in_(tokens))
        return or_(false(), *clauses)


class JournalPosition(Base):
    """How far a journal segment has been copied into the logs, in the same transaction."""

    __tablename__ = "journal_positions"

    segment: Mapped[str] = mapped_column(String(128), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime]
