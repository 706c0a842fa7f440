"""Beginning, continuing and ending sessions. The only place that writes them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.db import utc_now
from paifang.core.ids import uuid7
from paifang.modules.accounts.sessions.errors import ReauthenticationRequired, SessionNotFound
from paifang.modules.accounts.sessions.models import Session
from paifang.modules.accounts.sessions.refresh import Refresh
from paifang.modules.accounts.settings import AccountsSettings

KEPT = timedelta(days=30)
"""How long the row of an ended session stays, to be looked at."""


class Ended(StrEnum):
    """Why a session ended."""

    SIGNED_OUT = "signed_out"
    ENDED = "ended"
    """By its person, from another one."""
    KICKED = "kicked"
    REPLAYED = "replayed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a reason
    EMAIL_RESTORED = "email_restored"
    DISABLED = "disabled"
    DELETED = "deleted"
    FACTOR_REQUIRED = "factor_required"
    """Its person needs a second factor by now, and has none."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a session is begun from."""

    address: str
    agent: str
    place: str | None = None


class Refused(StrEnum):
    """Why a refresh token got nothing."""

    OVER = "over"
    """There is no such session, or it has ended."""
    AHEAD = "ahead"
    """It is of a refresh that has not been: the database is an old one, or the token's is."""
    REPLAYED = "replayed"
    """It is an old one. Somebody has a copy, so the session is ended."""


async def begin(
    session: AsyncSession,
    *,
    user_id: UUID,
    methods: Sequence[str],
    origin: Origin,
    settings: AccountsSettings,
) -> Session:
    """A new session for somebody who has just proved who they are, with an id never used before."""
    now = utc_now()
    begun = Session(
        id=uuid7(),
        user_id=user_id,
        counter=0,
        created_at=now,
        used_at=now,
        authenticated_at=now,
        expires_at=now + timedelta(days=settings.session_days),
        methods=list(methods),
        address=origin.address[:45],
        agent=origin.agent[:255],
        place=origin.place,
    )
    session.add(begun)
    await session.flush()
    return begun


def is_open(found: Session, *, settings: AccountsSettings, now: datetime) -> bool:
    """Whether a session has neither been ended, nor rested too long, nor lived too long."""
    return within(found.used_at, found.expires_at, found.ended_at, settings=settings, now=now)


def within(
    used_at: datetime,
    expires_at: datetime,
    ended_at: datetime | None,
    *,
    settings: AccountsSettings,
    now: datetime,
) -> bool:
    """:func:`is_open`, of the columns."""
    idle = timedelta(days=settings.session_idle_days)
    return ended_at is None and now < expires_at and now < used_at + idle


async def advance(
    session: AsyncSession, *, token: Refresh, settings: AccountsSettings
) -> Session | Refused:
    """Take a refresh token. The session's counter is then the one of the token to give back.

    The row is locked, so that of any number of refreshes at the same moment one advances. A token
    that is one behind, or behind by whatever within the reuse interval, gets the current one: the
    client did not save the answer, or another tab was faster. An older one ends the session; this
    is returned and not raised, because the end is to be committed.
    """
    found = await session.get(Session, token.session_id, with_for_update=True)
    now = utc_now()
    if found is None or not is_open(found, settings=settings, now=now):
        return Refused.OVER
    behind = found.counter - token.counter
    if behind < 0:
        return Refused.AHEAD
    if behind == 0:
        found.counter += 1
        found.used_at = now
        await session.flush()
        return found
    interval = timedelta(seconds=settings.refresh_reuse_seconds)
    if behind == 1 or now <= found.used_at + interval:
        return found
    _end(found, Ended.REPLAYED, now)
    await session.flush()
    return Refused.REPLAYED


async def open_sessions(
    session: AsyncSession, *, user_id: UUID, settings: AccountsSettings
) -> list[Session]:
    """Somebody's open sessions, the last used first."""
    now = utc_now()
    idle = now - timedelta(days=settings.session_idle_days)
    found = await session.scalars(
        select(Session)
        .where(
            Session.user_id == user_id,
            Session.ended_at.is_(None),
            Session.expires_at > now,
            Session.used_at > idle,
        )
        .order_by(Session.used_at.desc(), Session.id)
    )
    return list(found)


async def all_of(session: AsyncSession, *, user_id: UUID) -> list[Session]:
    """Somebody's sessions, ended ones too, the newest first."""
    found = await session.scalars(
        select(Session)
        .where(Session.user_id == user_id)
        .order_by(Session.created_at.desc(), Session.id)
    )
    return list(found)


async def end(session: AsyncSession, *, session_id: UUID, user_id: UUID, reason: Ended) -> None:
    """End one of somebody's sessions; its tokens are refused from the next request on.

    Raises:
        SessionNotFound: they have none of that id that has not ended.
    """
    found = await session.get(Session, session_id, with_for_update=True)
    if found is None or found.user_id != user_id or found.ended_at is not None:
        raise SessionNotFound
    _end(found, reason, utc_now())
    await session.flush()


async def end_of_token(session: AsyncSession, *, token: Refresh) -> None:
    """Sign out who holds a refresh token, however old it is."""
    found = await session.get(Session, token.session_id, with_for_update=True)
    if found is not None and found.ended_at is None:
        _end(found, Ended.SIGNED_OUT, utc_now())
        await session.flush()


async def end_all(
    session: AsyncSession, *, user_id: UUID, reason: Ended, keep: UUID | None = None
) -> int:
    """End all of somebody's sessions but ``keep``; how many there were."""
    statement = update(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
    if keep is not None:
        statement = statement.where(Session.id != keep)
    ended = await session.execute(
        statement.values(ended_at=utc_now(), ended_reason=reason.value),
        execution_options={"synchronize_session": False},
    )
    return int(ended.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it


def _end(found: Session, reason: Ended, now: datetime) -> None:
    found.ended_at = now
    found.ended_reason = reason.value


async def erase_of(session: AsyncSession, *, user_id: UUID) -> None:
    """Delete the rows of somebody's sessions: addresses and browsers are personal."""
    await session.execute(
        delete(Session).where(Session.user_id == user_id),
        execution_options={"synchronize_session": False},
    )


async def need_recent(
    session: AsyncSession,
    *,
    session_id: UUID | None,
    settings: AccountsSettings,
    by: Collection[str] = (),
) -> None:
    """Refuse a sensitive change by somebody who proved long ago who they are.

    Args:
        session: The caller's transaction.
        session_id: The caller's session.
        settings: They say how long a proof counts.
        by: The methods of which the session must have seen one; any will do when it is empty. That
            the last proof was by one of them follows from who has a second factor: nothing else is
            taken from them as a proof.

    Raises:
        ReauthenticationRequired: :func:`prove` wants to be called first; or there is no session.
    """
    found = None if session_id is None else await session.get(Session, session_id)
    limit = timedelta(minutes=settings.reauthentication_minutes)
    stale = found is None or utc_now() > found.authenticated_at + limit
    if stale or (by and found is not None and not set(by) & set(found.methods)):
        wanted = "your second factor" if by else "your password or another proof"
        raise ReauthenticationRequired(
            f"This change asks for {wanted} again; POST /api/v1/account/reauthenticate takes it."
        )


async def prove(session: AsyncSession, *, session_id: UUID, method: str) -> None:
    """Note that the person of a session has just proved who they are, by ``method``."""
    found = await session.get(Session, session_id, with_for_update=True)
    if found is None:
        raise SessionNotFound
    found.authenticated_at = utc_now()
    if method not in found.methods:
        found.methods = [*found.methods, method]
    await session.flush()


async def forget_ended(session: AsyncSession) -> int:
    """Delete the rows of sessions that ended long ago; how many."""
    before = utc_now() - KEPT
    gone = await session.execute(
        delete(Session).where(or_(Session.ended_at < before, Session.expires_at < before)),
        execution_options={"synchronize_session": False},
    )
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it
