"""Setting an authenticator app up and taking it away, with all that goes along: recovery codes, a
mail, and the sign-in of who needs one before they are in.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry import tickets
from paifang.modules.accounts.entry.admission import without_factor
from paifang.modules.accounts.entry.client import Client
from paifang.modules.accounts.entry.service import Entry, let_in, person
from paifang.modules.accounts.factors.notices import Change, tell
from paifang.modules.accounts.factors.tries import tried
from paifang.modules.accounts.recovery_codes import service as recovery_codes
from paifang.modules.accounts.sessions.service import Origin
from paifang.modules.accounts.totp import service
from paifang.modules.accounts.totp.errors import TotpNotFound
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.models import User


async def begin(runtime: Runtime, *, user_id: UUID) -> tuple[str, str]:
    """A person's mail address, by which their app names the account, and a secret for it."""
    async with runtime.db.transaction() as session:
        user = await users.by_id(session, user_id=user_id)
        if user is None:
            raise TotpNotFound
        secret = await service.begin(session, user_id=user.id, secrets=runtime.secrets)
    return user.email, secret


async def begin_first(runtime: Runtime, *, ticket: str) -> tuple[str, str]:
    """The same, for somebody who has a ticket and no second factor yet."""
    async with runtime.db.transaction() as session:
        user = await without_factor(session, runtime=runtime, ticket=ticket)
        secret = await service.begin(session, user_id=user.id, secrets=runtime.secrets)
    return user.email, secret


async def confirm(
    runtime: Runtime, *, actor: Principal, user_id: UUID, code: str, origin: Origin
) -> list[str] | None:
    """Take a first code; recovery codes for who has none."""

    async def check(session: AsyncSession) -> list[str] | None:
        user = await users.by_id(session, user_id=user_id, lock=True)
        if user is None:
            raise TotpNotFound
        return await _confirmed(session, runtime, actor=actor, user=user, code=code, origin=origin)

    return await tried(runtime, user_id=user_id, address=origin.address, check=check)


async def confirm_first(
    runtime: Runtime, *, ticket: str, code: str, client: Client
) -> tuple[Entry, list[str] | None]:
    """The same, for somebody who has a ticket and no second factor yet; and they are in."""
    known = tickets.read(runtime, ticket)

    async def check(session: AsyncSession) -> tuple[Entry, list[str] | None]:
        user = await without_factor(session, runtime=runtime, ticket=ticket)
        codes = await _confirmed(
            session,
            runtime,
            actor=person(user),
            user=user,
            code=code,
            origin=client.origin,
        )
        entry = await let_in(
            session,
            runtime=runtime,
            user=user,
            methods=[*known.methods, "totp"],
            client=client,
        )
        return entry, codes

    return await tried(runtime, user_id=known.user_id, address=client.address, check=check)


async def remove(
    session: AsyncSession, *, runtime: Runtime, actor: Principal, user_id: UUID, origin: Origin
) -> None:
    """Take a person's app away, and tell them."""
    user = await users.by_id(session, user_id=user_id, lock=True)
    if user is None:
        raise TotpNotFound
    await service.remove(session, actor=actor, user_id=user_id)
    await tell(
        session, base_url=runtime.base_url, user=user, change=Change.TOTP_REMOVED, origin=origin
    )


async def _confirmed(
    session: AsyncSession,
    runtime: Runtime,
    *,
    actor: Principal,
    user: User,
    code: str,
    origin: Origin,
) -> list[str] | None:
    await service.confirm(session, actor=actor, user_id=user.id, secrets=runtime.secrets, code=code)
    await tell(
        session, base_url=runtime.base_url, user=user, change=Change.TOTP_ADDED, origin=origin
    )
    return await recovery_codes.first(session, actor=actor, user_id=user.id)
