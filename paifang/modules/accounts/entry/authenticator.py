"""Recognises a signed-in person in a request: one statement, so that what changes acts at once."""

import time
from typing import Any

from fastapi import Request
from sqlalchemy import select

from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.core.scope import unscoped
from paifang.modules.access.roles.grants import access_version, grants_at
from paifang.modules.accounts.entry.seen import Seen
from paifang.modules.accounts.entry.service import tokens_of
from paifang.modules.accounts.sessions.errors import SessionEnded
from paifang.modules.accounts.sessions.jwt import TokenError
from paifang.modules.accounts.sessions.models import Session
from paifang.modules.accounts.sessions.service import within
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.users.models import User, UserStatus


async def signed_in(request: Request, runtime: Runtime) -> Principal | None:
    """The person of an access token; None when the request carries none.

    Raises:
        SessionEnded: it carries one that counts no longer.
    """
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or token.count(".") != 2:
        return None
    try:
        access = tokens_of(runtime).read_access(token, now=time.time())
    except TokenError as error:
        raise SessionEnded(f"The access token counts no longer: {error}.") from error
    columns: list[Any] = [
        User.display_name,
        User.status,
        User.department_id,
        User.last_seen_at,
        Session.used_at,
        Session.expires_at,
        Session.ended_at,
        access_version().label("access"),
    ]
    statement = unscoped(
        select(*columns)
        .join(Session, Session.user_id == User.id)
        .where(Session.id == access.session_id, User.id == access.user_id),
        "who is calling is what is being asked",
    )
    now = utc_now()
    async with runtime.db.reading() as session:
        row = (await session.execute(statement)).one_or_none()
        if row is None or row.status != UserStatus.ACTIVE:
            raise SessionEnded
        settings = runtime.settings.area(AccountsSettings)
        if not within(row.used_at, row.expires_at, row.ended_at, settings=settings, now=now):
            raise SessionEnded
        found = await grants_at(
            session, version=row.access, user_id=access.user_id, department_id=row.department_id
        )
    seen: Seen | None = runtime.parts.get(Seen)
    if seen is not None:
        seen.note(access.user_id, row.last_seen_at, now)
    return Principal(
        id=str(access.user_id),
        name=row.display_name,
        user_id=access.user_id,
        department_id=row.department_id,
        session_id=access.session_id,
        grants=found.permissions,
        all_permissions=found.administrator,
    )
