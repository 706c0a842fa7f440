"""The table of departments."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import ForeignKey, String, false
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7
from paifang.core.scope import Scope, Scoped, among

if TYPE_CHECKING:
    from paifang.core.auth import Principal

MAX_DEPTH = 10
"""Levels of the tree."""


class Department(Scoped, Base):
    """A node of the organisation's tree. Whoever has a scope sees the departments that are in it,
    and nobody owns one.
    """

    __tablename__ = "departments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("departments.id"), index=True)
    path: Mapped[str] = mapped_column(String(MAX_DEPTH * 33 + 1), index=True)
    """The ids from the root to this one, in hex, each between slashes: what is below it begins
    with it."""
    name: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16), default="enabled")
    """``enabled`` or ``disabled``; nobody is put into a disabled one."""
    sort: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)

    @property
    def depth(self) -> int:
        """Its level in the tree, from 1."""
        return self.path.count("/") - 1

    @classmethod
    def scope_clause(cls, scope: Scope, caller: "Principal") -> ColumnElement[bool]:
        """The scope's departments."""
        del caller
        return among(cls.id, scope.departments) if scope.departments else false()
