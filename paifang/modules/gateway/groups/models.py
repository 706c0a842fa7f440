"""The table of groups."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import JSON, BigInteger, String, false, or_
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from paifang.core.db import Base, utc_now
from paifang.core.scope import Scope, Scoped
from paifang.modules.gateway.members.models import reached

if TYPE_CHECKING:
    from paifang.core.auth import Principal


class GroupKind(StrEnum):
    """What a group is for."""

    PERSONAL = "personal"
    """One person's own; it has no other members."""
    TEAM = "team"
    """People who share tokens and pay together."""
    SERVICE = "service"
    """A program's, or a customer's of another system: made by an administrator."""


class Group(Scoped, Base):
    """A tenant of the gateway. ``used`` and ``requests`` grow with each batch of logs."""

    __tablename__ = "groups"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Given by whoever makes it, or made: letters, digits, ``-``, ``_`` and ``.``."""
    name: Mapped[str] = mapped_column(String(64), default="", server_default="")
    """For people to read; empty shows the id."""
    kind: Mapped[str] = mapped_column(
        String(16), default=GroupKind.SERVICE, server_default="service"
    )
    personal_of: Mapped[UUID | None] = mapped_column(index=True, unique=True)
    """Whose personal group it is. No foreign key: that its person is gone must stop it, and a
    NULL would set it free."""
    status: Mapped[str] = mapped_column(String(16), default="enabled")
    """``enabled`` or ``disabled``."""
    unpriced: Mapped[str] = mapped_column(String(16), default="allow")
    """A model without a price: ``allow`` (flagged in the log) or ``block``."""
    models: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Models its tokens may call; NULL means all."""
    quota: Mapped[int | None] = mapped_column(BigInteger)
    """Nanos it may spend in its life, with all its tokens together."""
    rpm: Mapped[int | None]
    tpm: Mapped[int | None] = mapped_column(BigInteger)
    concurrency: Mapped[int | None]
    used: Mapped[int] = mapped_column(BigInteger, default=0)
    """Nanos spent."""
    requests: Mapped[int] = mapped_column(BigInteger, default=0)
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)

    @classmethod
    def scope_clause(cls, scope: Scope, caller: "Principal") -> ColumnElement[bool]:
        """The groups that the caller is in, and those whose owner is in the scope's departments."""
        return or_(false(), *reached(cls.id, scope, caller))
