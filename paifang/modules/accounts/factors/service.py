"""Which ways in a person has, which second factors, and which are asked for.

A password, a passkey or an account at another service is a way in. A confirmed authenticator app
or a passkey is a second factor; recovery codes stand in for one that is not at hand.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit, params
from paifang.core.auth import Principal
from paifang.core.errors import Invalid
from paifang.modules.access.roles.models import (
    ADMINISTRATOR,
    MEMBER,
    Role,
    RolePermission,
    UserRole,
)
from paifang.modules.accounts.ceremonies import service as ceremonies
from paifang.modules.accounts.factors.errors import (
    LastWayIn,
    SecondFactorMissing,
    SecondFactorRequired,
)
from paifang.modules.accounts.factors.models import Identity, Passkey, RecoveryCode, TotpSecret
from paifang.modules.accounts.factors.params import REQUIRE_SECOND_FACTOR, RULES
from paifang.modules.accounts.users import service as users

SECOND = ("totp", "passkey", "recovery_code")
"""Every second factor, by the name that a session keeps of it."""


async def methods_of(session: AsyncSession, *, user_id: UUID) -> list[str]:
    """The second factors that a person may be asked for: ``totp``, ``passkey``, ``recovery_code``.

    Empty when they have none. Recovery codes alone are none.
    """
    totp, passkey, code = (
        await session.execute(
            select(
                exists().where(TotpSecret.user_id == user_id, TotpSecret.confirmed_at.is_not(None)),
                exists().where(Passkey.user_id == user_id),
                exists().where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)),
            )
        )
    ).one()
    found = [name for name, has in (("totp", totp), ("passkey", passkey)) if has]
    return [*found, "recovery_code"] if found and code else found


@dataclass(frozen=True, slots=True)
class WaysIn:
    """The ways in that a person has."""

    password: bool
    passkeys: int
    identities: int

    @property
    def count(self) -> int:
        """How many there are."""
        return self.password + self.passkeys + self.identities


async def ways_in(session: AsyncSession, *, user_id: UUID, lock: bool = False) -> WaysIn:
    """The ways in that a person has.

    Args:
        session: The caller's transaction.
        user_id: The person.
        lock: Hold the person's row until the commit: who takes a way in away does, so that two
            such changes don't each leave the other's.
    """
    user = await users.by_id(session, user_id=user_id, lock=lock)
    passkeys, identities = (
        await session.execute(
            select(
                select(func.count()).where(Passkey.user_id == user_id).scalar_subquery(),
                select(func.count()).where(Identity.user_id == user_id).scalar_subquery(),
            )
        )
    ).one()
    return WaysIn(user is not None and user.password_hash is not None, passkeys, identities)


async def check_not_last(session: AsyncSession, *, user_id: UUID) -> None:
    """Refuse to take a way in away when it is the only one.

    Raises:
        LastWayIn: nobody could sign in to the account any more.
    """
    if (await ways_in(session, user_id=user_id, lock=True)).count <= 1:
        raise LastWayIn("Add a passkey, link another service or set a password first.")


async def factor_removed(session: AsyncSession, *, user_id: UUID) -> None:
    """After a second factor was taken away: without another, recovery codes go, or the change does.

    Raises:
        SecondFactorRequired: it was the last one, and this installation's rule asks for one.
    """
    if await methods_of(session, user_id=user_id):
        return
    if await is_required(session, user_id=user_id):
        raise SecondFactorRequired(
            "It is your last second factor, and you need one here. Add another before."
        )
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


async def is_required(session: AsyncSession, *, user_id: UUID) -> bool:
    """Whether the rule of this installation asks this person for a second factor."""
    asked = await rule(session)
    if asked == "administrators":
        return bool(await session.scalar(select(_holds_a_role(user_id))))
    return bool(asked == "everybody")


def _holds_a_role(user_id: UUID) -> Any:
    """Whether somebody holds a role, beside the one that everybody holds, that grants anything."""
    grants = or_(Role.code == ADMINISTRATOR, exists().where(RolePermission.role_id == Role.id))
    return exists().where(
        and_(
            UserRole.user_id == user_id,
            UserRole.role_id == Role.id,
            Role.code != MEMBER,
            Role.status == "enabled",
            grants,
        )
    )


async def lacks_required(session: AsyncSession, *, user_id: UUID) -> bool:
    """Whether this person needs a second factor and has none."""
    if not await is_required(session, user_id=user_id):
        return False
    return not await methods_of(session, user_id=user_id)


async def rule(session: AsyncSession) -> Any:
    """The rule who needs a second factor."""
    return await params.get(session, param=REQUIRE_SECOND_FACTOR)


async def require(session: AsyncSession, *, actor: Principal, rule: str) -> None:
    """Set the rule who needs a second factor.

    Sessions of people who have none end at their next refresh; signing in leads to the set-up.

    Raises:
        Invalid: the rule is not one of :data:`~paifang.modules.accounts.factors.params.RULES`.
        SecondFactorMissing: the actor is a person without one, who would send themselves away.
    """
    if rule not in RULES:
        message = f"must be one of {', '.join(RULES)}"
        raise Invalid(message, errors=[{"field": "require_second_factor", "message": message}])
    person = None if rule == "off" else actor.user_id
    if person is not None and not await methods_of(session, user_id=person):
        raise SecondFactorMissing("Set up an authenticator app or a passkey of your own first.")
    await params.put(session, param=REQUIRE_SECOND_FACTOR, value=rule)
    audit.record(
        session,
        actor=actor,
        action="accounts.second_factor.require",
        subject_type="param",
        subject_id=REQUIRE_SECOND_FACTOR.name,
        changes={"rule": rule},
    )


@dataclass(frozen=True, slots=True)
class Overview:
    """What a person can prove themselves with, and what is asked of them."""

    ways: WaysIn
    totp_since: datetime | None
    recovery_codes_left: int
    methods: list[str]
    required: bool


async def overview(session: AsyncSession, *, user_id: UUID) -> Overview:
    """The same, of one person."""
    totp = await session.get(TotpSecret, user_id)
    unused = select(func.count()).where(
        RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
    )
    return Overview(
        ways=await ways_in(session, user_id=user_id),
        totp_since=totp.confirmed_at if totp else None,
        recovery_codes_left=await session.scalar(unused) or 0,
        methods=await methods_of(session, user_id=user_id),
        required=await is_required(session, user_id=user_id),
    )


async def forget(session: AsyncSession, *, user_id: UUID) -> None:
    """Delete everything that a person proves themselves with: their account is being deleted."""
    for table in (TotpSecret, RecoveryCode, Passkey, Identity):
        await session.execute(delete(table).where(table.user_id == user_id))
    await ceremonies.forget(session, user_id=user_id)


async def reset(session: AsyncSession, *, user_id: UUID) -> list[str]:
    """Delete a person's second factors, who has lost them; which there were.

    What another service vouches for stays. Passkeys are ways in, too: the password, or a new one
    by mail, is what is left.
    """
    found = await methods_of(session, user_id=user_id)
    for table in (TotpSecret, RecoveryCode, Passkey):
        await session.execute(delete(table).where(table.user_id == user_id))
    await ceremonies.forget(session, user_id=user_id)
    return found


async def factor_data(session: AsyncSession, user_id: UUID) -> dict[str, Any]:
    """What is known of a person's factors, for the copy of their data; no secret among it."""
    totp = await session.get(TotpSecret, user_id)
    passkeys = await session.scalars(select(Passkey).where(Passkey.user_id == user_id))
    identities = await session.scalars(select(Identity).where(Identity.user_id == user_id))
    return {
        "totp_since": totp.confirmed_at if totp else None,
        "passkeys": [
            {"name": p.name, "created_at": p.created_at, "used_at": p.used_at} for p in passkeys
        ],
        "identities": [
            {
                "issuer": i.issuer,
                "subject": i.subject,
                "label": i.label,
                "created_at": i.created_at,
                "used_at": i.used_at,
            }
            for i in identities
        ],
    }
