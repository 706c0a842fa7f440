"""The audit trail: who changed what, written in the same transaction as the change."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.auth import Principal
from paifang.core.db.base import Base, utc_now
from paifang.core.ids import uuid7


class AuditEntry(Base):
    """One change by one caller. Never holds a secret: callers pass what changed, redacted."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_subject", "subject_type", "subject_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    actor_id: Mapped[str] = mapped_column(String(64))
    actor_name: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(64))
    """``<module>.<subject>.<verb>``, e.g. ``gateway.token.revoke``."""
    subject_type: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str] = mapped_column(String(64))
    changes: Mapped[dict[str, Any]]


def record(
    session: AsyncSession,
    *,
    actor: Principal,
    action: str,
    subject_type: str,
    subject_id: str,
    changes: dict[str, Any] | None = None,
) -> None:
    """Add an entry to the caller's transaction."""
    session.add(
        AuditEntry(
            actor_id=actor.id,
            actor_name=actor.name,
            action=action,
            subject_type=subject_type,
            subject_id=subject_id,
            changes=changes or {},
        )
    )
