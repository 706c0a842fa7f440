"""Inviting people. The only place that writes invitations."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.errors import Invalid
from paifang.core.mail import Invitation as InvitationMail
from paifang.core.pagination import Page, PageQuery, order_by, paginate
from paifang.core.runtime import Runtime
from paifang.modules.access.departments import service as departments
from paifang.modules.access.roles.authority import check_holding
from paifang.modules.access.roles.models import Role
from paifang.modules.accounts import mails
from paifang.modules.accounts.invitations.errors import InvitationNotFound, InvitationOver
from paifang.modules.accounts.invitations.models import Invitation
from paifang.modules.accounts.links.service import digest, new_token
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.errors import EmailTaken

SORTS = {"created_at": Invitation.created_at, "expires_at": Invitation.expires_at}
VALID_DAYS = 7


async def create(
    session: AsyncSession,
    *,
    runtime: Runtime,
    actor: Principal,
    email: str | None,
    role_ids: Sequence[UUID] = (),
    group_ids: Sequence[str] = (),
    department_id: UUID | None = None,
    note: str = "",
    locale: str = "en",
    days: int = VALID_DAYS,
    user_id: UUID | None = None,
) -> tuple[Invitation, str]:
    """Invite somebody; the invitation and the address it is accepted at, shown once.

    Args:
        session: The caller's transaction.
        runtime: This process.
        actor: Whoever invites. They give no roles that grant more than they hold.
        email: Whom; they get a mail. None: whoever holds the address that is returned.
        role_ids: Roles that the person gets.
        group_ids: Groups of the gateway that the person becomes a member of.
        department_id: Where they belong.
        note: For administrators.
        locale: Language of the mail.
        days: How long it holds.
        user_id: The account that was made for them already.

    Raises:
        EmailTaken: the address has an account.
        Invalid: a role or the department does not exist.
        BeyondYourOwn: see ``actor``.
    """
    if user_id is None:
        await _check_roles(session, actor, role_ids, department_id)
        if email is not None and await users.by_email(session, email=email) is not None:
            raise EmailTaken
    if department_id is not None:
        await departments.check_usable(session, department_id=department_id)
    token = new_token()
    invitation = Invitation(
        digest=digest(token),
        email=email,
        user_id=user_id,
        role_ids=[str(role_id) for role_id in role_ids],
        group_ids=list(group_ids),
        department_id=department_id,
        note=note,
        invited_by=actor.id,
        expires_at=utc_now() + timedelta(days=days),
    )
    session.add(invitation)
    await session.flush()
    link = f"{runtime.base_url}{mails.SIGN_UP}#invitation={token}"
    if email is not None:
        await mails.send(
            session,
            to=email,
            locale=locale,
            values=InvitationMail(link=link, inviter=actor.name, valid=timedelta(days=days)),
            dedupe_key=f"invitation:{invitation.id.hex}",
        )
    audit.record(
        session,
        actor=actor,
        action="accounts.invitation.create",
        subject_type="invitation",
        subject_id=str(invitation.id),
        changes={"email": email, "roles": invitation.role_ids, "groups": invitation.group_ids},
    )
    return invitation, link


async def look(session: AsyncSession, *, token: str, email: str | None = None) -> Invitation:
    """The invitation of a token, if it still holds, for that address where one is given.

    Raises:
        InvitationOver: it does not.
    """
    return _holds(await _by_token(session, token), email)


async def take(session: AsyncSession, *, invitation_id: UUID) -> Invitation:
    """Use an invitation: it is locked, and over when the transaction is committed.

    Raises:
        InvitationOver: somebody was faster, or it was taken back.
    """
    found = _holds(await session.get(Invitation, invitation_id, with_for_update=True), None)
    found.used_at = utc_now()
    await session.flush()
    return found


async def list_page(
    session: AsyncSession, *, paging: PageQuery, used: bool | None = None
) -> Page[Invitation]:
    """A page of invitations, the newest first."""
    order = order_by(paging.sort, SORTS, "-created_at")
    statement = select(Invitation).order_by(order, Invitation.id)
    if used is not None:
        statement = statement.where(
            Invitation.used_at.is_not(None) if used else Invitation.used_at.is_(None)
        )
    return await paginate(session, statement, paging=paging, read=lambda found: found)


async def withdraw(session: AsyncSession, *, actor: Principal, invitation_id: UUID) -> None:
    """Take an invitation back, or strike a used one from the list.

    Raises:
        InvitationNotFound: there is none of that id.
    """
    found = await session.get(Invitation, invitation_id, with_for_update=True)
    if found is None:
        raise InvitationNotFound
    await session.delete(found)
    audit.record(
        session,
        actor=actor,
        action="accounts.invitation.delete",
        subject_type="invitation",
        subject_id=str(invitation_id),
        changes={"email": found.email, "used": found.used_at is not None},
    )


async def forget_of(session: AsyncSession, *, user_id: UUID) -> None:
    """Delete the invitations of an account."""
    await session.execute(delete(Invitation).where(Invitation.user_id == user_id))


async def _check_roles(
    session: AsyncSession, actor: Principal, role_ids: Sequence[UUID], department_id: UUID | None
) -> None:
    """That there are such roles, and that whoever invites may give them."""
    known = set(await session.scalars(select(Role.id).where(Role.id.in_(role_ids))))
    errors = [
        {"field": f"role_ids.{place}", "message": "there is no such role"}
        for place, role_id in enumerate(role_ids)
        if role_id not in known
    ]
    if errors:
        raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}", errors=errors)
    await check_holding(session, actor, role_ids, department_id)


async def _by_token(session: AsyncSession, token: str) -> Invitation | None:
    found: Invitation | None = await session.scalar(
        select(Invitation).where(Invitation.digest == digest(token))
    )
    return found


def _holds(found: Invitation | None, email: str | None) -> Invitation:
    if found is None or found.used_at is not None or found.expires_at <= utc_now():
        raise InvitationOver
    if email is not None and found.email is not None and found.email != users.folded(email):
        raise InvitationOver("This invitation is for another mail address.")
    return found
