"""What access says of a person: one place, so that it is asked in one way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.db.counters import Counter
from paifang.core.scope import OWN, Scope
from paifang.modules.access.roles.models import ADMINISTRATOR, Role, UserRole
from paifang.modules.accounts.permissions import AccountsPermission


@dataclass(frozen=True)
class Grants:
    """What a person's roles add up to."""

    permissions: Mapping[str, Scope]
    administrator: bool


def version() -> Any:
    """The version of access, as a column of the caller's statement."""
    stored = select(func.max(Counter.value)).where(Counter.name == "version:access")
    return select(func.coalesce(stored.scalar_subquery(), 0)).scalar_subquery()


async def grants(
    session: AsyncSession, *, version: int, user_id: UUID, department_id: UUID | None
) -> Grants:
    """What a person may do at a version of access."""
    del version, department_id
    found = await session.scalar(
        select(UserRole.user_id)
        .join(Role, Role.id == UserRole.role_id)
        .where(UserRole.user_id == user_id, Role.code == ADMINISTRATOR)
    )
    return Grants({AccountsPermission.SELF.value: OWN}, found is not None)
