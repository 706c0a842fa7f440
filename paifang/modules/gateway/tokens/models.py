"""The table of tokens."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    and_,
    false,
    or_,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7
from paifang.core.scope import Scope, Scoped
from paifang.modules.gateway.members.models import MANAGING, groups_of, reached

if TYPE_CHECKING:
    from paifang.core.auth import Principal


class Token(Scoped, Base):
    """An API key of a group. The key itself is never stored, only its SHA-256."""

    __tablename__ = "tokens"
    __table_args__ = (
        UniqueConstraint("group_id", "name"),
        # A page of one group's tokens, the newest first, is read from the index alone in order.
        Index("ix_tokens_group_id_number", "group_id", "number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    number: Mapped[int] = mapped_column(BigInteger, unique=True)
    """The integer id of the AI Proxy API."""
    # No cascade: the group's service deletes its tokens itself, in the same transaction.
    group_id: Mapped[str] = mapped_column(String(64), ForeignKey("groups.id"))
    name: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the key, in hex (MariaDB indexes no binary large object)."""
    prefix: Mapped[str] = mapped_column(String(16))
    """The first characters, to recognise it by."""
    last_four: Mapped[str] = mapped_column(String(4))
    status: Mapped[str] = mapped_column(String(16), default="enabled")
    """``enabled``, ``disabled`` or ``revoked``; revoked is for ever."""
    models: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Models it may call; NULL means all."""
    networks: Mapped[list[str]] = mapped_column(JSON, default=list)
    """CIDR blocks it may be used from; empty means any address."""
    expires_at: Mapped[datetime | None]
    quota: Mapped[int | None] = mapped_column(BigInteger)
    """Nanos it may spend in its life."""
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    """Nanos spent."""
    requests: Mapped[int] = mapped_column(BigInteger, default=0)
    rpm: Mapped[int | None]
    tpm: Mapped[int | None] = mapped_column(BigInteger)
    concurrency: Mapped[int | None]
    created_by: Mapped[str] = mapped_column(String(64))
    """Id of the caller who made it."""
    user_id: Mapped[UUID | None] = mapped_column(index=True)
    """The person who answers for it: a member who made it or took it over. It works only as long
    as they are active and in the group. NULL for a token that is the group's alone, as those are
    that the administrator key and commands make. No foreign key: that a person is gone must stop
    the token, and a NULL would set it free."""
    stopped_at: Mapped[datetime | None]
    """When its person left the group. It stays stopped, should they come back, until an owner
    takes it over."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @property
    def state(self) -> str:
        """What it is at this moment: its status, or why an enabled token is refused
        (``stopped``, ``expired`` or ``exhausted``), as far as its own row tells: that its person
        is disabled is known to :func:`~.service.shown`.
        """
        if self.status != "enabled":
            return self.status
        if self.stopped_at is not None:
            return "stopped"
        if self.expires_at is not None and self.expires_at <= utc_now():
            return "expired"
        if self.quota is not None and self.used >= self.quota:
            return "exhausted"
        return "enabled"

    @classmethod
    def scope_clause(cls, scope: Scope, caller: "Principal") -> ColumnElement[bool]:
        """All of the groups that the caller manages or reaches through a department, and in the
        groups where they are a plain member, their own.
        """
        clauses = reached(cls.group_id, scope, caller, *MANAGING)
        if caller.user_id is not None and scope.own:
            clauses.append(
                and_(cls.user_id == caller.user_id, cls.group_id.in_(groups_of(caller.user_id)))
            )
        return or_(false(), *clauses)
