"""Signing up: the same answer and the same work, whether the address has an account or not.

What was asked for waits in a link, password hash included, until whoever reads the mail confirms
it. So nobody prepares an account for somebody else's address: only what the mail is about counts.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit, events, params
from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.mail import ApprovalNeeded
from paifang.core.runtime import Runtime
from paifang.core.scope import unscoped
from paifang.modules.access.roles import service as roles
from paifang.modules.access.roles.models import ADMINISTRATOR, Role, UserRole
from paifang.modules.accounts import mails
from paifang.modules.accounts.challenges.errors import TooManyAttempts
from paifang.modules.accounts.challenges.service import Throttles
from paifang.modules.accounts.entry import service as entry
from paifang.modules.accounts.entry.admission import NeedsFactor, admit
from paifang.modules.accounts.entry.client import Client
from paifang.modules.accounts.entry.service import Entry
from paifang.modules.accounts.fields import MAX_NAME, as_name
from paifang.modules.accounts.invitations import service as invitations
from paifang.modules.accounts.invitations.models import Invitation
from paifang.modules.accounts.links import service as links
from paifang.modules.accounts.links.errors import LinkOver
from paifang.modules.accounts.links.models import Purpose
from paifang.modules.accounts.params import INVITATION, OPEN, REGISTRATION
from paifang.modules.accounts.passwords import rules
from paifang.modules.accounts.passwords.hashing import hasher_of
from paifang.modules.accounts.sessions.agents import device_name
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.sign_up.errors import RegistrationClosed
from paifang.modules.accounts.sign_up.events import MailAskedAgain, SignUpAsked, UserJoined
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.errors import EmailTaken
from paifang.modules.accounts.users.models import User, UserStatus

BY_MAIL = "mail"
INVITED = Principal(id="invitation", name="Invitation", kind="operator", all_permissions=True)
"""Who gives an invited person the roles that whoever invited them chose and could give."""
UNCONFIRMED = timedelta(days=9)
"""After so long nobody can confirm an account any more, nor ask for the mail again."""
ASKS_AN_HOUR = 20
"""Mails that one address may ask us to send, of whichever kind."""


async def sign_up(
    runtime: Runtime,
    *,
    email: str,
    password: str,
    display_name: str,
    locale: str,
    invitation: str | None,
    challenge: str | None,
    client: Client,
) -> Entry | NeedsFactor | None:
    """Ask for an account. Somebody who was invited by mail is in at once; others get a mail.

    Raises:
        WeakPassword: it says why.
        ChallengeRequired, TooManyAttempts: there is no proof of work; or too much was asked for.
        RegistrationClosed: one needs an invitation.
        InvitationOver: theirs does not hold.
        EmailTaken: told to nobody but who was invited at that very address.
    """
    settings = runtime.settings.area(AccountsSettings)
    rules.check(password, shortest=settings.password_length, about=(email, display_name))
    async with runtime.db.transaction() as session:
        await may_ask(session, runtime, challenge=challenge, client=client)
        invited = await _invited(session, invitation, email)
    hashed = await hasher_of(runtime).hash(password)
    wanted = {
        "password_hash": hashed,
        "display_name": display_name,
        "locale": locale,
        "invitation_id": None if invited is None else str(invited.id),
    }
    async with runtime.db.transaction() as session:
        if invited is not None and invited.email is not None:
            return await _accept(
                session,
                runtime=runtime,
                invitation_id=invited.id,
                email=email,
                wanted=wanted,
                client=client,
            )
        link = await links.ask(
            session,
            purpose=Purpose.VERIFY,
            email=email,
            data={
                **wanted,
                "device": device_name(client.origin.agent),
                "address": client.address,
            },
        )
        events.publish(session, SignUpAsked(link_id=str(link.id)))
    return None


async def may_ask(
    session: AsyncSession, runtime: Runtime, *, challenge: str | None, client: Client
) -> None:
    """What everything asks that sends a mail to whomever a stranger names.

    Raises:
        ChallengeRequired: there is no proof of work.
        TooManyAttempts: the address asks too often.
    """
    throttles = Throttles(runtime.secrets, runtime.settings.area(AccountsSettings))
    await throttles.need_proof(session, challenge)
    hour = timedelta(hours=1)
    key = throttles.key("asks", throttles.address(client.address))
    if not await throttles.allow(session, key, times=ASKS_AN_HOUR, window=hour):
        raise TooManyAttempts(utc_now() + hour / 6)


async def ask_again(runtime: Runtime, *, email: str, challenge: str | None, client: Client) -> None:
    """Ask for the mail that confirms an address once more; the same whether there was one."""
    async with runtime.db.transaction() as session:
        await may_ask(session, runtime, challenge=challenge, client=client)
        link = await links.ask(session, purpose=Purpose.RESEND, email=users.folded(email))
        events.publish(session, MailAskedAgain(link_id=str(link.id)))


async def verify(
    session: AsyncSession, *, runtime: Runtime, token: str, client: Client
) -> Entry | NeedsFactor | None:
    """Take the link of a mail: the address is theirs. None when they have to be approved.

    Raises:
        LinkOver: it is none, or the account is verified already.
        InvitationOver: it was used by somebody else meanwhile.
    """
    link = await links.take(session, purpose=Purpose.VERIFY, token=token)
    wanted, link.data = link.data, {}
    user = None
    if link.user_id is not None:
        user = await users.by_id(session, user_id=link.user_id, lock=True)
    if user is None or user.email != link.email or user.email_verified_at is not None:
        raise LinkOver
    used: Invitation | None = None
    if wanted["invitation_id"] is not None:
        used = await invitations.take(session, invitation_id=UUID(wanted["invitation_id"]))
    user.email_verified_at = utc_now()
    user.password_hash = wanted["password_hash"]
    user.display_name = wanted["display_name"]
    user.locale = wanted["locale"]
    await links.drop_of(session, user_id=user.id)
    if not await _activated(session, runtime, user, used):
        return None
    return await admit(session, runtime=runtime, user=user, methods=[BY_MAIL], client=client)


async def take_in(
    session: AsyncSession,
    *,
    runtime: Runtime,
    email: str,
    display_name: str,
    locale: str,
    invitation: str | None,
) -> User:
    """An account for somebody whose address another service has verified, under the same rules.

    Whoever calls this has looked that no account with a verified address has it. The account may
    have to be approved: its status says so.

    Args:
        session: The caller's transaction.
        runtime: This process.
        email: The verified address.
        display_name: What the other service calls them; whatever can't be a name is left out.
        locale: Language of their mails.
        invitation: The token of one, where they have it.

    Raises:
        RegistrationClosed, InvitationOver: new people need an invitation that holds.
    """
    try:
        name = as_name(display_name[:MAX_NAME])
    except ValueError:
        name = email.partition("@")[0][:MAX_NAME]
    invited = await _invited(session, invitation, email)
    used = None if invited is None else await invitations.take(session, invitation_id=invited.id)
    user = await pending_user(session, email=email, locale=locale)
    user.email_verified_at = utc_now()
    user.display_name, user.locale = name, locale
    await links.drop_of(session, user_id=user.id)
    await _activated(session, runtime, user, used)
    return user


async def _activated(
    session: AsyncSession, runtime: Runtime, user: User, used: Invitation | None
) -> bool:
    """Let an account be used that is invited, or may be without; else ask administrators."""
    registration = await params.get(session, param=REGISTRATION)
    if used is None and registration != OPEN:
        # Asked for while it was open, or to be approved: an administrator decides.
        await session.flush()
        await _tell_administrators(session, runtime, user)
        return False
    await activate(session, user=user, actor=entry.person(user), invitation=used)
    return True


async def activate(
    session: AsyncSession, *, user: User, actor: Principal, invitation: Invitation | None = None
) -> None:
    """Let an account be used, with what its invitation gives."""
    user.status = UserStatus.ACTIVE
    user.status_reason = None
    if invitation is not None:
        invitation.user_id = user.id
        user.department_id = invitation.department_id or user.department_id
    await session.flush()
    if invitation is not None and invitation.role_ids:
        known = set(await session.scalars(select(Role.id)))
        wanted = [UUID(role_id) for role_id in invitation.role_ids if UUID(role_id) in known]
        await roles.assign(session, actor=INVITED, user_id=user.id, role_ids=wanted)
    audit.record(
        session,
        actor=actor,
        action="accounts.user.activate",
        subject_type="user",
        subject_id=str(user.id),
        changes={"invitation": None if invitation is None else str(invitation.id)},
    )
    events.publish(
        session,
        UserJoined(
            user_id=str(user.id), invitation_id=None if invitation is None else str(invitation.id)
        ),
    )
    await users.tell_status(session)


async def pending_user(session: AsyncSession, *, email: str, locale: str) -> User:
    """The account that waits for an address to be confirmed; made when there is none."""
    found = await users.by_email(session, email=email, lock=True)
    if found is not None:
        return found
    made = User(
        email=users.folded(email),
        display_name=email.partition("@")[0][:64],
        locale=locale,
        status=UserStatus.PENDING,
    )
    try:
        # Another transaction may be adding the same one: only our insert is undone then.
        async with session.begin_nested():
            session.add(made)
    except IntegrityError:
        found = await users.by_email(session, email=email, lock=True)
        if found is None:
            raise
        return found
    return made


async def forget_unconfirmed(session: AsyncSession) -> int:
    """Delete accounts that were asked for and never confirmed; how many.

    Those that an administrator made wait on: their invitation says so.
    """
    found = await session.scalars(
        unscoped(
            select(User.id).where(
                User.status == UserStatus.PENDING,
                User.email_verified_at.is_(None),
                User.created_at < utc_now() - UNCONFIRMED,
                User.id.not_in(select(Invitation.user_id).where(Invitation.user_id.is_not(None))),
                User.id.not_in(select(UserRole.user_id)),
            ),
            "nobody has ever used them",
        ).limit(1000)
    )
    ids = list(found)
    for user_id in ids:
        await links.drop_of(session, user_id=user_id)
    gone = unscoped(delete(User).where(User.id.in_(ids)), "nobody has ever used them")
    await session.execute(gone, execution_options={"synchronize_session": False})
    return len(ids)


async def _invited(session: AsyncSession, token: str | None, email: str) -> Invitation | None:
    if token is not None:
        return await invitations.look(session, token=token, email=email)
    if await params.get(session, param=REGISTRATION) == INVITATION:
        raise RegistrationClosed
    return None


async def _accept(
    session: AsyncSession,
    *,
    runtime: Runtime,
    invitation_id: UUID,
    email: str,
    wanted: dict[str, Any],
    client: Client,
) -> Entry | NeedsFactor:
    """Make the account of somebody whose mail held the invitation: the address is theirs."""
    used = await invitations.take(session, invitation_id=invitation_id)
    user = await pending_user(session, email=email, locale=wanted["locale"])
    if user.email_verified_at is not None:
        raise EmailTaken("You have an account already: sign in, or set a new password.")
    user.email_verified_at = utc_now()
    for name in ("password_hash", "display_name", "locale"):
        setattr(user, name, wanted[name])
    await links.drop_of(session, user_id=user.id)
    await activate(session, user=user, actor=entry.person(user), invitation=used)
    return await admit(session, runtime=runtime, user=user, methods=[BY_MAIL], client=client)


async def _tell_administrators(session: AsyncSession, runtime: Runtime, user: User) -> None:
    administrators = await session.scalars(
        unscoped(
            select(User)
            .join(UserRole, UserRole.user_id == User.id)
            .join(Role, Role.id == UserRole.role_id)
            .where(Role.code == ADMINISTRATOR, User.status == UserStatus.ACTIVE),
            "they are written to, and shown to nobody",
        )
    )
    link = mails.page(runtime, f"{mails.PEOPLE}?status=pending")
    for administrator in list(administrators):
        await mails.send(
            session,
            to=administrator.email,
            locale=administrator.locale,
            values=ApprovalNeeded(link=link, applicant=user.email),
            dedupe_key=f"approval:{user.id.hex}:{administrator.id.hex}",
        )
