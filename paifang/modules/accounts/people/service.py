"""What administrators do to accounts. Everything goes through what the caller may see."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypedDict, Unpack
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.changes import apply_changes
from paifang.core.db import utc_now
from paifang.core.ids import uuid7
from paifang.core.mail import Approved, FactorChange, FactorChanged
from paifang.core.runtime import Runtime
from paifang.modules.access.departments import service as departments
from paifang.modules.access.positions import service as positions
from paifang.modules.access.roles import service as roles
from paifang.modules.accounts import mails
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.invitations import service as invitations
from paifang.modules.accounts.people.errors import NotAwaiting, NotYourself
from paifang.modules.accounts.people.reading import Person, seen, with_access
from paifang.modules.accounts.sessions import service as sessions
from paifang.modules.accounts.sessions.models import Session
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.sign_up.service import activate
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.errors import EmailTaken
from paifang.modules.accounts.users.models import User, UserStatus


class UserChanges(TypedDict, total=False):
    """What of a person an administrator may change; a field that is left out stays."""

    display_name: str
    phone: str | None
    locale: str
    department_id: UUID | None


async def create(
    session: AsyncSession,
    *,
    runtime: Runtime,
    actor: Principal,
    email: str,
    display_name: str,
    locale: str = "en",
    department_id: UUID | None = None,
    role_ids: Sequence[UUID] = (),
    position_ids: Sequence[UUID] = (),
) -> tuple[Person, str]:
    """Make an account that waits for its person, and invite them.

    Returns:
        The person, and the address at which the invitation is accepted, in case mail fails.

    Raises:
        EmailTaken: the address has an account.
        BeyondYourOwn, Invalid: a role can't be given, or a department or position is none.
    """
    if await users.by_email(session, email=email) is not None:
        raise EmailTaken
    if department_id is not None:
        await departments.check_usable(session, department_id=department_id)
    user = User(
        email=email,
        display_name=display_name,
        locale=locale,
        department_id=department_id,
        status=UserStatus.PENDING,
    )
    session.add(user)
    await session.flush()
    if role_ids:
        await roles.assign(session, actor=actor, user_id=user.id, role_ids=role_ids)
    if position_ids:
        await positions.set_positions(
            session, actor=actor, user_id=user.id, position_ids=position_ids
        )
    _made, link = await invitations.create(
        session, runtime=runtime, actor=actor, email=email, locale=locale, user_id=user.id
    )
    _record(session, actor, "create", user, {"email": email})
    return (await with_access(session, [user]))[0], link


async def update(
    session: AsyncSession, *, actor: Principal, user_id: UUID, **changes: Unpack[UserChanges]
) -> Person:
    """Change what is given of a person.

    Raises:
        UserNotFound: there is none that the caller sees.
        BeyondYourOwn: they would hold more in that department than the caller does.
        DepartmentNotFound, DepartmentDisabled: nobody can be put there.
    """
    user = await seen(session, actor, user_id)
    place = changes.get("department_id")
    if "department_id" in changes and place != user.department_id:
        if place is not None:
            await departments.check_usable(session, department_id=place)
        await roles.check_place(session, actor=actor, user_id=user.id, department_id=place)
        await users.tell_status(session)
    made = apply_changes(user, dict(changes))
    if made:
        await session.flush()
        _record(session, actor, "update", user, made)
    return (await with_access(session, [user]))[0]


async def set_roles(
    session: AsyncSession, *, actor: Principal, user_id: UUID, role_ids: Sequence[UUID]
) -> Person:
    """Have a person hold exactly these roles, from their next request on.

    Raises:
        UserNotFound, Invalid, BeyondYourOwn, LastAdministrator: see access.
    """
    user = await seen(session, actor, user_id)
    await roles.assign(session, actor=actor, user_id=user.id, role_ids=role_ids)
    return (await with_access(session, [user]))[0]


async def set_positions(
    session: AsyncSession, *, actor: Principal, user_id: UUID, position_ids: Sequence[UUID]
) -> Person:
    """Have a person hold exactly these positions.

    Raises:
        UserNotFound, Invalid: there is no such person that the caller sees, or no such position.
    """
    user = await seen(session, actor, user_id)
    await positions.set_positions(session, actor=actor, user_id=user.id, position_ids=position_ids)
    return (await with_access(session, [user]))[0]


async def disable(
    session: AsyncSession, *, actor: Principal, user_id: UUID, reason: str | None = None
) -> None:
    """Shut somebody out, from their next request on, in every process.

    Raises:
        UserNotFound: there is none that the caller sees.
        NotYourself, BeyondYourOwn, LastAdministrator: it can't be done to this one.
    """
    user = await _below(session, actor, user_id)
    if user.status == UserStatus.DISABLED:
        return
    user.status_reason = reason
    await users.end_account(
        session, user=user, status=UserStatus.DISABLED, reason=sessions.Ended.DISABLED
    )
    _record(session, actor, "disable", user, {"reason": reason})


async def enable(session: AsyncSession, *, actor: Principal, user_id: UUID) -> None:
    """Let somebody in again; they sign in anew. Who never confirmed their address waits again.

    Raises:
        UserNotFound, BeyondYourOwn: there is none that the caller sees, or may decide about.
    """
    user = await _below(session, actor, user_id)
    if user.status != UserStatus.DISABLED:
        return
    confirmed = user.email_verified_at is not None
    user.status = UserStatus.ACTIVE if confirmed else UserStatus.PENDING
    user.status_reason = None
    await session.flush()
    await users.tell_status(session)
    _record(session, actor, "enable", user, {})


async def approve(
    session: AsyncSession, *, runtime: Runtime, actor: Principal, user_id: UUID
) -> None:
    """Let in who has signed up and waits; a mail tells them.

    Raises:
        UserNotFound: there is none that the caller sees.
        NotAwaiting: they are in, or have not confirmed their address.
    """
    user = await seen(session, actor, user_id)
    if user.status != UserStatus.PENDING or user.email_verified_at is None:
        raise NotAwaiting
    await activate(session, user=user, actor=actor)
    await mails.send(
        session,
        to=user.email,
        locale=user.locale,
        values=Approved(link=mails.page(runtime, mails.SIGN_IN)),
        dedupe_key=f"approved:{user.id.hex}",
    )


async def sign_out(session: AsyncSession, *, actor: Principal, user_id: UUID) -> None:
    """End all sessions of somebody, at once.

    Raises:
        UserNotFound, BeyondYourOwn: there is none that the caller sees, or may decide about.
    """
    user = await _below(session, actor, user_id, own=True)
    ended = await sessions.end_all(
        session, user_id=user.id, reason=sessions.Ended.KICKED, keep=actor.session_id
    )
    _record(session, actor, "sign_out", user, {"sessions": ended})


async def reset_factors(
    session: AsyncSession, *, runtime: Runtime, actor: Principal, user_id: UUID
) -> None:
    """Take somebody's second factors away who has lost them all, and end their sessions.

    They sign in with their password or another service then. Who has neither asks for a new
    password by mail. They are told.

    Raises:
        UserNotFound, NotYourself, BeyondYourOwn: there is none that the caller may decide about.
    """
    user = await _below(session, actor, user_id)
    removed = await factors.reset(session, user_id=user.id)
    ended = await sessions.end_all(session, user_id=user.id, reason=sessions.Ended.KICKED)
    await mails.send(
        session,
        to=user.email,
        locale=user.locale,
        values=FactorChanged(
            link=mails.page(runtime, mails.SECURITY),
            change=FactorChange.FACTORS_RESET,
            at=utc_now(),
        ),
        dedupe_key=f"factors_reset:{uuid7().hex}",
    )
    _record(session, actor, "reset_factors", user, {"factors": removed, "sessions": ended})


async def sessions_of(
    session: AsyncSession, *, runtime: Runtime, caller: Principal, user_id: UUID
) -> list[Session]:
    """Where somebody is signed in. Raises :class:`UserNotFound`."""
    user = await seen(session, caller, user_id, lock=False)
    settings = runtime.settings.area(AccountsSettings)
    return await sessions.open_sessions(session, user_id=user.id, settings=settings)


async def end_session(
    session: AsyncSession, *, actor: Principal, user_id: UUID, session_id: UUID
) -> None:
    """End one session of somebody.

    Raises:
        UserNotFound, BeyondYourOwn, SessionNotFound: there is none, or not for the caller.
    """
    user = await _below(session, actor, user_id, own=True)
    await sessions.end(
        session, session_id=session_id, user_id=user.id, reason=sessions.Ended.KICKED
    )
    _record(session, actor, "end_session", user, {"session": str(session_id)})


async def delete(session: AsyncSession, *, actor: Principal, user_id: UUID) -> str | None:
    """Delete an account: what is personal is gone at once, for good.

    Returns:
        The key of their picture, for the caller to delete once this is committed.

    Raises:
        UserNotFound, NotYourself, BeyondYourOwn, LastAdministrator: it can't be done.
    """
    user = await _below(session, actor, user_id)
    picture = user.avatar
    await invitations.forget_of(session, user_id=user.id)
    await factors.forget(session, user_id=user.id)
    await users.end_account(
        session, user=user, status=UserStatus.DELETED, reason=sessions.Ended.DELETED
    )
    await users.erase(session, user=user)
    _record(session, actor, "delete", user, {})
    return picture


async def batch(
    session: AsyncSession,
    *,
    runtime: Runtime,
    actor: Principal,
    user_ids: Sequence[UUID],
    action: str,
) -> list[str]:
    """Do the same to several people: all of it, or nothing.

    Args:
        session: The caller's transaction.
        runtime: This process.
        actor: Whoever does it.
        user_ids: To whom.
        action: ``disable``, ``enable``, ``approve``, ``sign_out`` or ``delete``.

    Returns:
        Keys of pictures to delete once this is committed.

    Raises:
        AppError: what the action refuses for one of them.
    """
    pictures: list[str] = []
    one: dict[str, Callable[[UUID], Awaitable[Any]]] = {
        "disable": lambda each: disable(session, actor=actor, user_id=each),
        "enable": lambda each: enable(session, actor=actor, user_id=each),
        "approve": lambda each: approve(session, runtime=runtime, actor=actor, user_id=each),
        "sign_out": lambda each: sign_out(session, actor=actor, user_id=each),
        "delete": lambda each: delete(session, actor=actor, user_id=each),
    }
    # In one order, so that two batches that meet don't wait for each other in a circle.
    for user_id in sorted(set(user_ids)):
        picture = await one[action](user_id)
        if isinstance(picture, str):
            pictures.append(picture)
    return pictures


async def _below(
    session: AsyncSession, actor: Principal, user_id: UUID, *, own: bool = False
) -> User:
    """Somebody whom the caller may shut out: not themselves, and nobody above them."""
    user = await seen(session, actor, user_id)
    if actor.user_id == user.id and not own:
        raise NotYourself
    await roles.check_not_above(session, actor=actor, user_id=user.id)
    return user


def _record(
    session: AsyncSession, actor: Principal, verb: str, user: User, changes: dict[str, Any]
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"accounts.user.{verb}",
        subject_type="user",
        subject_id=str(user.id),
        changes=changes,
    )
