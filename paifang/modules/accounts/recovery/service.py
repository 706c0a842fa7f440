"""Forgotten and changed passwords, changed addresses.

A link sets a password and nothing else: it signs nobody in, so a second factor is asked for as
ever. Whatever changes how one gets in ends the other sessions, takes back the other links, and is
told by mail.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit, events
from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.mail import PasswordChanged
from paifang.core.runtime import Runtime
from paifang.modules.accounts import mails
from paifang.modules.accounts.challenges.service import Throttles
from paifang.modules.accounts.entry import service as entry
from paifang.modules.accounts.entry.client import Client
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.links import service as links
from paifang.modules.accounts.links.errors import LinkOver
from paifang.modules.accounts.links.models import MailLink, Purpose
from paifang.modules.accounts.passwords import rules
from paifang.modules.accounts.passwords.hashing import hasher_of
from paifang.modules.accounts.recovery.errors import WrongPassword
from paifang.modules.accounts.recovery.events import EmailChangeAsked, ResetAsked
from paifang.modules.accounts.sessions import service as sessions
from paifang.modules.accounts.sessions.agents import device_name
from paifang.modules.accounts.sessions.errors import NoPerson
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.sign_in.service import check_own
from paifang.modules.accounts.sign_up.service import may_ask
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.errors import EmailTaken, UserNotFound
from paifang.modules.accounts.users.models import User, UserStatus


async def forgot(runtime: Runtime, *, email: str, challenge: str | None, client: Client) -> None:
    """Ask for a link that sets a password. Whether there is an account is looked at later.

    Raises:
        ChallengeRequired, TooManyAttempts: no proof of work, or too many such questions.
    """
    async with runtime.db.transaction() as session:
        await may_ask(session, runtime, challenge=challenge, client=client)
        link = await links.ask(
            session,
            purpose=Purpose.RESET,
            email=users.folded(email),
            data={"device": device_name(client.origin.agent), "address": client.address},
        )
        events.publish(session, ResetAsked(link_id=str(link.id)))


async def reset(
    runtime: Runtime, *, token: str, password: str, sign_out: bool, client: Client
) -> User:
    """Set a password with the link of a mail. It signs in nobody.

    Args:
        runtime: This process.
        token: The link's.
        password: The new one.
        sign_out: Whether every session of the account ends.
        client: Where they are; the device is known from then on.

    Raises:
        LinkOver: it is none, or over, or the account's address or password has changed since.
        WeakPassword: it says why; the link holds.
    """
    settings = runtime.settings.area(AccountsSettings)
    async with runtime.db.reading() as session:
        link = await links.look(session, purpose=Purpose.RESET, token=token)
        known = await _of_link(session, link)
    about = (known.email, known.display_name)
    rules.check(password, shortest=settings.password_length, about=about)
    hashed = await hasher_of(runtime).hash(password)
    async with runtime.db.transaction() as session:
        link = await links.take(session, purpose=Purpose.RESET, token=token)
        user = await _of_link(session, link)
        await _set_password(session, runtime, user, hashed, client, actor=entry.person(user))
        if sign_out:
            await sessions.end_all(session, user_id=user.id, reason=sessions.Ended.PASSWORD_CHANGED)
        throttles = Throttles(runtime.secrets, settings)
        await throttles.clear(session, throttles.account(user.email))
    return user


async def change_password(
    runtime: Runtime, *, caller: Principal, password: str, current: str | None, client: Client
) -> None:
    """Change one's password: with the present one, or shortly after having proved who one is.

    Who has a second factor has to have proved it with that, whether they know the password or not:
    else whoever has looked it over a shoulder changes it from a session that was left open. All
    other sessions end.

    Raises:
        NoPerson: a key has no password.
        WrongPassword: the present one is another.
        ReauthenticationRequired: the last proof is old, and the present password was not given or
            is not enough.
        WeakPassword: it says why.
        TooManyAttempts: the present one was wrong too often.
    """
    settings = runtime.settings.area(AccountsSettings)
    user_id = _own(caller)
    async with runtime.db.reading() as session:
        second = await factors.methods_of(session, user_id=user_id)
        if second or current is None:
            await sessions.need_recent(
                session,
                session_id=caller.session_id,
                settings=settings,
                by=factors.SECOND if second else (),
            )
    if current is not None and not await check_own(
        runtime, user_id=user_id, password=current, client=client
    ):
        raise WrongPassword
    async with runtime.db.reading() as session:
        known = await users.by_id(session, user_id=user_id)
    if known is None:
        raise UserNotFound
    about = (known.email, known.display_name)
    rules.check(password, shortest=settings.password_length, about=about)
    hashed = await hasher_of(runtime).hash(password)
    async with runtime.db.transaction() as session:
        user = await users.by_id(session, user_id=user_id, lock=True)
        if user is None or user.password_hash != known.password_hash:
            raise WrongPassword("It was changed at this very moment; try again.")
        await _set_password(session, runtime, user, hashed, client, actor=caller)
        await sessions.end_all(
            session,
            user_id=user.id,
            reason=sessions.Ended.PASSWORD_CHANGED,
            keep=caller.session_id,
        )


async def ask_new_email(
    session: AsyncSession, *, runtime: Runtime, caller: Principal, email: str, client: Client
) -> None:
    """Ask for another address: the new one gets a link, the old one is told.

    Whether the new one has an account is told to nobody but who reads its mail.

    Raises:
        NoPerson: a key has no address.
        ReauthenticationRequired: the last proof of who one is is old.
    """
    settings = runtime.settings.area(AccountsSettings)
    user_id = _own(caller)
    await sessions.need_recent(session, session_id=caller.session_id, settings=settings)
    user = await users.by_id(session, user_id=user_id, lock=True)
    if user is None:
        raise UserNotFound
    await links.drop_of(session, user_id=user.id, purposes=[Purpose.EMAIL])
    link = await links.ask(
        session,
        purpose=Purpose.EMAIL,
        email=email,
        user_id=user.id,
        data={
            "device": device_name(client.origin.agent),
            "address": client.address,
            "old": user.email,
        },
    )
    events.publish(session, EmailChangeAsked(link_id=str(link.id)))
    _record(session, caller, "accounts.email.ask", user)


async def confirm_email(session: AsyncSession, *, token: str) -> User:
    """Take the link that the new address got: from now on it is the account's.

    Raises:
        LinkOver: it is none, or over.
        EmailTaken: somebody has made an account with it meanwhile.
    """
    link = await links.take(session, purpose=Purpose.EMAIL, token=token)
    user = (
        None
        if link.user_id is None
        else await users.by_id(session, user_id=link.user_id, lock=True)
    )
    if user is None or user.email != link.data["old"] or user.status != UserStatus.ACTIVE:
        raise LinkOver
    await _set_email(session, user, link.email)
    await links.drop_of(session, user_id=user.id, purposes=[Purpose.RESET, Purpose.EMAIL])
    _record(session, entry.person(user), "accounts.email.change", user)
    return user


async def keep_email(session: AsyncSession, *, token: str) -> User:
    """Take the link that the old address got: it is the account's again, or stays it.

    Whoever changed it may know the password, too. So all sessions end, and a link to set another
    password goes to the old address.

    Raises:
        LinkOver: it is none, or over.
        EmailTaken: another account has it by now.
    """
    link = await links.take(session, purpose=Purpose.EMAIL_UNDO, token=token)
    user = (
        None
        if link.user_id is None
        else await users.by_id(session, user_id=link.user_id, lock=True)
    )
    if user is None or user.status != UserStatus.ACTIVE:
        raise LinkOver
    if user.email != link.email:
        await _set_email(session, user, link.email)
    await links.drop_of(session, user_id=user.id)
    await sessions.end_all(session, user_id=user.id, reason=sessions.Ended.EMAIL_RESTORED)
    asked = await links.ask(
        session,
        purpose=Purpose.RESET,
        email=user.email,
        data={"device": "", "address": ""},
    )
    events.publish(session, ResetAsked(link_id=str(asked.id)))
    _record(session, entry.person(user), "accounts.email.keep", user)
    return user


async def _set_password(
    session: AsyncSession,
    runtime: Runtime,
    user: User,
    hashed: str,
    client: Client,
    *,
    actor: Principal,
) -> None:
    user.password_hash = hashed
    await links.drop_of(session, user_id=user.id, purposes=[Purpose.RESET, Purpose.EMAIL])
    now = utc_now()
    await mails.send(
        session,
        to=user.email,
        locale=user.locale,
        values=PasswordChanged(
            link=mails.page(runtime, mails.FORGOT),
            device=device_name(client.origin.agent),
            address=client.address,
            at=now,
        ),
        dedupe_key=f"password_changed:{user.id.hex}:{_stamp(now)}",
    )
    _record(session, actor, "accounts.password.change", user)
    await session.flush()


async def _set_email(session: AsyncSession, user: User, email: str) -> None:
    other = await users.by_email(session, email=email)
    if other is not None and other.id != user.id:
        raise EmailTaken
    user.email = email
    user.email_verified_at = utc_now()
    try:
        await session.flush()
    except IntegrityError as error:
        raise EmailTaken from error


async def _of_link(session: AsyncSession, link: MailLink) -> User:
    """The person of a link, if it is bound to what they still are."""
    user = (
        None
        if link.user_id is None
        else await users.by_id(session, user_id=link.user_id, lock=True)
    )
    if user is None or user.email != link.email or user.status != UserStatus.ACTIVE:
        raise LinkOver
    return user


def _own(caller: Principal) -> UUID:
    if caller.user_id is None:
        raise NoPerson
    return caller.user_id


def _record(session: AsyncSession, actor: Principal, action: str, user: User) -> None:
    audit.record(session, actor=actor, action=action, subject_type="user", subject_id=str(user.id))


def _stamp(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
