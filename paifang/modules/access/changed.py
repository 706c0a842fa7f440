"""What follows from a change in access: an audit entry, and a new version where rights change."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import bump_version

VERSION = "access"
"""Name of the version that every change of a role, a scope, a department or a status counts up."""


async def changed(
    session: AsyncSession,
    *,
    actor: Principal,
    action: str,
    subject_id: UUID | str,
    changes: dict[str, Any],
    rights: bool = True,
) -> None:
    """Write the audit entry of ``access.<subject>.<verb>`` and count the version up.

    Args:
        session: The caller's transaction.
        actor: Whoever changes something.
        action: ``role.update``.
        subject_id: Of what is changed.
        changes: What, without secrets.
        rights: False when what anybody may do stays as it is.
    """
    audit.record(
        session,
        actor=actor,
        action=f"access.{action}",
        subject_type=action.partition(".")[0],
        subject_id=str(subject_id),
        changes=changes,
    )
    if rights:
        await bump_version(session, VERSION)
