"""The table of users."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7
from paifang.core.scope import Scope, Scoped, belongs

if TYPE_CHECKING:
    from paifang.core.auth import Principal


class UserStatus(StrEnum):
    """Where an account stands."""

    PENDING = "pending"
    """The mail address is not verified, or the owner has not approved it."""
    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"
    """What was personal is gone; the row stays for what refers to it, and is in no list."""


class User(Scoped, Base):
    """A person. Passwords are kept as argon2id hashes, and nowhere else."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """In lower case: two people never differ by case alone."""
    email_verified_at: Mapped[datetime | None]
    password_hash: Mapped[str | None] = mapped_column(String(255))
    """None for who signs in by passkey or by another service alone."""
    display_name: Mapped[str] = mapped_column(String(64))
    phone: Mapped[str | None] = mapped_column(String(32))
    avatar: Mapped[str | None] = mapped_column(String(255))
    """Key of the picture in the storage."""
    locale: Mapped[str] = mapped_column(String(16), default="en")
    """``en``, ``zh-CN`` or ``zh-TW``: the language of their mails and pages."""
    department_id: Mapped[UUID | None] = mapped_column(ForeignKey("departments.id"), index=True)
    status: Mapped[str] = mapped_column(String(16), default=UserStatus.PENDING, index=True)
    status_reason: Mapped[str | None] = mapped_column(String(255))
    """Why an administrator disabled it; for administrators."""
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    last_seen_at: Mapped[datetime | None]
    """Written at most once a minute."""

    @classmethod
    def scope_clause(cls, scope: Scope, caller: "Principal") -> ColumnElement[bool]:
        """Oneself, and the people of the scope's departments."""
        return belongs(scope, caller, owner=cls.id, department=cls.department_id)
