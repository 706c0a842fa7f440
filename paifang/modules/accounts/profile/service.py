"""One's own account: what is in it, taking it along, deleting it."""

from dataclasses import dataclass
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.audit import AuditEntry
from paifang.core.auth import Principal
from paifang.core.changes import apply_changes
from paifang.core.db import utc_now
from paifang.core.module import load
from paifang.core.runtime import Runtime
from paifang.modules.access.positions import service as positions
from paifang.modules.access.roles import service as roles
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.invitations import service as invitations
from paifang.modules.accounts.sessions import service as sessions
from paifang.modules.accounts.sessions.errors import NoPerson
from paifang.modules.accounts.sessions.shown import shown
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.models import User, UserStatus

TRAIL = 1000
"""Entries of the audit trail in an export, the newest."""


class ProfileChanges(TypedDict, total=False):
    """What people change about themselves; a field that is left out stays."""

    display_name: str
    phone: str | None
    locale: str


@dataclass(frozen=True, slots=True)
class Profile:
    """Somebody as they see themselves."""

    user: User
    factors: list[str]
    """Second factors they have."""


async def get(session: AsyncSession, *, caller: Principal) -> Profile:
    """One's own profile. Raises :class:`NoPerson`."""
    user = await _own(session, caller)
    return Profile(user, await factors.methods_of(session, user_id=user.id))


async def update(
    session: AsyncSession, *, caller: Principal, **changes: Unpack[ProfileChanges]
) -> Profile:
    """Change what is given. Raises :class:`NoPerson`."""
    user = await _own(session, caller, lock=True)
    made = apply_changes(user, dict(changes))
    if made:
        await session.flush()
        _record(session, caller, "update", user, {"fields": sorted(made)})
    return Profile(user, await factors.methods_of(session, user_id=user.id))


async def set_avatar(
    session: AsyncSession, *, caller: Principal, key: str | None
) -> tuple[Profile, str | None]:
    """Have a stored picture, or none; the profile and the key of the picture there was.

    Raises:
        NoPerson: a key has no face.
    """
    user = await _own(session, caller, lock=True)
    before, user.avatar = user.avatar, key
    await session.flush()
    profile = Profile(user, await factors.methods_of(session, user_id=user.id))
    return profile, before


async def delete(session: AsyncSession, *, runtime: Runtime, caller: Principal) -> str | None:
    """Delete one's account: sessions end, what is personal is gone at once, for good.

    Returns:
        The key of the picture, for the caller to delete once this is committed.

    Raises:
        NoPerson: a key is no account.
        ReauthenticationRequired: the last proof of who one is is old.
        LastAdministrator: nobody else would be one.
    """
    settings = runtime.settings.area(AccountsSettings)
    user = await _own(session, caller, lock=True)
    await sessions.need_recent(session, session_id=caller.session_id, settings=settings)
    picture = user.avatar
    await invitations.forget_of(session, user_id=user.id)
    await factors.forget(session, user_id=user.id)
    await users.end_account(
        session, user=user, status=UserStatus.DELETED, reason=sessions.Ended.DELETED
    )
    await users.erase(session, user=user)
    _record(session, caller, "delete", user, {})
    return picture


async def export(session: AsyncSession, *, runtime: Runtime, caller: Principal) -> dict[str, Any]:
    """All that is kept of a person, by module, as JSON has it. Raises :class:`NoPerson`."""
    user = await _own(session, caller)
    found: dict[str, Any] = {"exported_at": utc_now()}
    for module in runtime.modules:
        for word, reader in module.personal_data.items():
            found[word] = await load([reader])[0](session, user.id)
    return found


async def account_data(session: AsyncSession, user_id: UUID) -> dict[str, Any]:
    """The account itself."""
    user = await users.by_id(session, user_id=user_id)
    if user is None:
        return {}
    names = (
        "id",
        "email",
        "email_verified_at",
        "display_name",
        "phone",
        "avatar",
        "locale",
        "department_id",
        "status",
        "created_at",
        "updated_at",
        "last_seen_at",
    )
    held = (await roles.roles_of(session, user_ids=[user_id]))[user_id]
    placed = (await positions.positions_of(session, user_ids=[user_id]))[user_id]
    return {
        **{name: getattr(user, name) for name in names},
        "roles": [role.code for role in held],
        "positions": [position.code for position in placed],
        "factors": await factors.methods_of(session, user_id=user_id),
    }


async def session_data(session: AsyncSession, user_id: UUID) -> list[dict[str, Any]]:
    """Where the person is or was signed in."""
    found = await sessions.all_of(session, user_id=user_id)
    return [
        {**shown(each), "ended_at": each.ended_at, "ended_reason": each.ended_reason}
        for each in found
    ]


async def trail_data(session: AsyncSession, user_id: UUID) -> list[dict[str, Any]]:
    """What the person has done, as the audit trail has it."""
    found = await session.scalars(
        select(AuditEntry)
        .where(AuditEntry.actor_id == str(user_id))
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(TRAIL)
    )
    return [
        {
            "at": entry.at,
            "action": entry.action,
            "subject_type": entry.subject_type,
            "subject_id": entry.subject_id,
            "changes": entry.changes,
        }
        for entry in found
    ]


async def _own(session: AsyncSession, caller: Principal, *, lock: bool = False) -> User:
    user = None
    if caller.user_id is not None:
        user = await users.by_id(session, user_id=caller.user_id, lock=lock)
    if user is None:
        raise NoPerson
    return user


def _record(
    session: AsyncSession, actor: Principal, verb: str, user: User, changes: dict[str, Any]
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"accounts.profile.{verb}",
        subject_type="user",
        subject_id=str(user.id),
        changes=changes,
    )
