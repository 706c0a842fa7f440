"""Letting somebody in, and continuing where they were. Whoever calls :func:`let_in` has checked."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.mail import NewSignIn
from paifang.core.runtime import Runtime
from paifang.modules.accounts import mails
from paifang.modules.accounts.entry.client import Client
from paifang.modules.accounts.entry.devices import DeviceCookies
from paifang.modules.accounts.entry.errors import AccountDisabled, AwaitingApproval
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.sessions import service as sessions
from paifang.modules.accounts.sessions.agents import device_name
from paifang.modules.accounts.sessions.errors import SessionEnded
from paifang.modules.accounts.sessions.jwt import TokenError
from paifang.modules.accounts.sessions.models import Session
from paifang.modules.accounts.sessions.tokens import Access, SessionTokens
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.models import User, UserStatus

log = logging.getLogger("paifang.accounts")


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who is in: their session's tokens, for the answer."""

    user: User
    session: Session
    access_token: str
    access_seconds: int
    refresh_token: str
    refresh_seconds: int
    client: Client


def tokens_of(runtime: Runtime) -> SessionTokens:
    """What makes and reads the tokens of sessions in this process."""
    found = runtime.parts.get(SessionTokens)
    if found is None:
        found = SessionTokens(runtime.secrets, runtime.settings.area(AccountsSettings))
        runtime.parts[SessionTokens] = found
    tokens: SessionTokens = found
    return tokens


def person(user: User) -> Principal:
    """The person as whoever acts, for the audit trail of what happens before they are in."""
    return Principal(id=str(user.id), name=user.display_name, user_id=user.id)


def need_active(user: User) -> None:
    """Refuse who has proved who they are and may not come in all the same.

    Raises:
        AccountDisabled, AwaitingApproval: it says which.
    """
    if user.status == UserStatus.PENDING:
        raise AwaitingApproval
    if user.status != UserStatus.ACTIVE:
        raise AccountDisabled


async def let_in(
    session: AsyncSession,
    *,
    runtime: Runtime,
    user: User,
    methods: Sequence[str],
    client: Client,
) -> Entry:
    """A new session for a person who has proved who they are by ``methods``.

    A sign-in on a device that they have not used is told by mail, but for the very first.

    Args:
        session: The caller's transaction.
        runtime: This process.
        user: Whoever it is; checked.
        methods: ``password``, ``totp``, ``recovery_code``, ``passkey``, ``oidc``, ``mail``,
            ``setup``.
        client: Where they are.

    Raises:
        AccountDisabled, AwaitingApproval: the account may not be used.
    """
    need_active(user)
    settings = runtime.settings.area(AccountsSettings)
    before = await session.scalar(select(exists().where(Session.user_id == user.id)))
    await _end_previous(session, runtime, client)
    begun = await sessions.begin(
        session, user_id=user.id, methods=methods, origin=client.origin, settings=settings
    )
    if before and not DeviceCookies(runtime.secrets).knows(client.device, user.id):
        await mails.send(
            session,
            to=user.email,
            locale=user.locale,
            values=NewSignIn(
                link=mails.page(runtime, mails.SECURITY),
                device=device_name(client.origin.agent),
                address=_where(client),
                at=begun.created_at,
            ),
            dedupe_key=f"new_sign_in:{begun.id.hex}",
        )
    audit.record(
        session,
        actor=person(user),
        action="accounts.session.begin",
        subject_type="session",
        subject_id=str(begun.id),
        changes={"methods": list(methods), "address": client.address},
    )
    log.info("signed in", extra={"user": str(user.id), "methods": list(methods)})
    return _entry(runtime, user, begun, client)


async def refresh(runtime: Runtime, *, token: str, client: Client) -> Entry:
    """New tokens for a refresh token, in a transaction of its own.

    Raises:
        SessionEnded: there is nothing to be had for it. When it was an old token, the session is
            ended first, and that is committed; so it is when a second factor is needed by now.
    """
    try:
        known = tokens_of(runtime).read_refresh(token)
    except TokenError as error:
        raise SessionEnded from error
    settings = runtime.settings.area(AccountsSettings)
    async with runtime.db.transaction() as session:
        found = await sessions.advance(session, token=known, settings=settings)
        user = None
        if isinstance(found, Session):
            user = await users.by_id(session, user_id=found.user_id)
            if await factors.lacks_required(session, user_id=found.user_id):
                await sessions.end(
                    session,
                    session_id=found.id,
                    user_id=found.user_id,
                    reason=sessions.Ended.FACTOR_REQUIRED,
                )
                user = None
    if not isinstance(found, Session):
        if found is sessions.Refused.REPLAYED:
            log.warning("an old refresh token was used", extra={"session": str(known.session_id)})
        raise SessionEnded
    if user is None or user.status != UserStatus.ACTIVE:
        raise SessionEnded
    return _entry(runtime, user, found, client)


async def sign_out(runtime: Runtime, *, token: str) -> None:
    """End the session of a refresh token, however old that is; nothing when there is none."""
    try:
        known = tokens_of(runtime).read_refresh(token)
    except TokenError:
        return
    async with runtime.db.transaction() as session:
        await sessions.end_of_token(session, token=known)


async def _end_previous(session: AsyncSession, runtime: Runtime, client: Client) -> None:
    """End the session that the browser had before: a sign-in leaves none behind."""
    if client.token:
        try:
            known = tokens_of(runtime).read_refresh(client.token)
        except TokenError:
            return
        await sessions.end_of_token(session, token=known)


def _where(client: Client) -> str:
    place = client.origin.place
    return f"{client.address} ({place})" if place else client.address


def _entry(runtime: Runtime, user: User, session: Session, client: Client) -> Entry:
    tokens = tokens_of(runtime)
    settings = runtime.settings.area(AccountsSettings)
    now = utc_now()
    until = min(session.expires_at, now + timedelta(days=settings.session_idle_days))
    return Entry(
        user=user,
        session=session,
        access_token=tokens.access(Access(user.id, session.id), now=time.time()),
        access_seconds=tokens.access_seconds,
        refresh_token=tokens.refresh(session.id, session.counter),
        refresh_seconds=max(1, int((until - now).total_seconds())),
        client=client,
    )
