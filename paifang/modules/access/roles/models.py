"""The tables of roles and of who holds them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db import Base, utc_now
from paifang.core.ids import uuid7

ADMINISTRATOR = "administrator"
"""Code of the role that holds every permission, for every row. It can't be changed."""
MEMBER = "member"
"""Code of the role that every active person holds, whether it is assigned or not."""


class DataScope(StrEnum):
    """The rows for which a role grants its permissions; one's own are always among them."""

    ALL = "all"
    DEPARTMENT_AND_BELOW = "department_and_below"
    DEPARTMENT = "department"
    SELF = "self"
    CHOSEN = "chosen"
    """The departments of ``role_departments``, and nothing below them."""


class Role(Base):
    """A set of permissions with one data scope."""

    __tablename__ = "roles"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    description: Mapped[str] = mapped_column(String(255), default="")
    status: Mapped[str] = mapped_column(String(16), default="enabled")
    """``enabled`` or ``disabled``; a disabled role grants nothing."""
    data_scope: Mapped[str] = mapped_column(String(32), default=DataScope.SELF)
    built_in: Mapped[bool] = mapped_column(default=False)
    """It can't be deleted, and its code stays."""
    sort: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)


class RolePermission(Base):
    """A permission that a role grants."""

    __tablename__ = "role_permissions"

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id"), primary_key=True)
    permission: Mapped[str] = mapped_column(String(64), primary_key=True)


class RoleDepartment(Base):
    """A department that a role of the scope ``chosen`` is held for."""

    __tablename__ = "role_departments"

    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id"), primary_key=True)
    department_id: Mapped[UUID] = mapped_column(
        ForeignKey("departments.id"), primary_key=True, index=True
    )


class UserRole(Base):
    """A role that a person holds."""

    __tablename__ = "user_roles"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    role_id: Mapped[UUID] = mapped_column(ForeignKey("roles.id"), primary_key=True, index=True)
