"""Proving once more who one is. What it writes is the time in one's session.

Who has a second factor uses it: a password alone, which somebody may have looked over a shoulder
for, opens nothing that two factors protect.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry.client import Client
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.factors.errors import FactorWanted
from paifang.modules.accounts.factors.tries import tried
from paifang.modules.accounts.identities import service as identities
from paifang.modules.accounts.passkeys import service as passkeys
from paifang.modules.accounts.passkeys.party import Party
from paifang.modules.accounts.recovery.errors import WrongPassword
from paifang.modules.accounts.recovery_codes import using
from paifang.modules.accounts.sessions import service as sessions
from paifang.modules.accounts.sessions.errors import NoPerson
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.sign_in.service import check_own
from paifang.modules.accounts.totp import service as totp
from paifang.modules.accounts.totp.algorithm import DIGITS
from paifang.modules.accounts.users import service as users


async def by_password(
    runtime: Runtime, *, actor: Principal, password: str, client: Client
) -> datetime:
    """Prove it with the password; only for who has no second factor.

    Returns:
        Until when it counts.

    Raises:
        FactorWanted: there is one.
        WrongPassword: it is not theirs.
        TooManyAttempts: tries fail too often.
    """
    user_id, _ = await _who(runtime, actor, second=True)
    if not await check_own(runtime, user_id=user_id, password=password, client=client):
        raise WrongPassword
    return await _proved(runtime, actor, "password")


async def by_code(runtime: Runtime, *, actor: Principal, code: str, client: Client) -> datetime:
    """Prove it with a code of the app, or with a recovery code.

    Raises:
        WrongProof: it is neither.
        TooManyAttempts: tries fail too often.
    """
    user_id, session_id = await _who(runtime, actor)
    plain = "".join(code.split())
    is_totp = len(plain) == DIGITS and plain.isdecimal()
    check = _totp(runtime, user_id, plain) if is_totp else _recovery(runtime, actor, code, client)

    async def check_and_note(session: AsyncSession) -> None:
        await check(session)
        method = "totp" if is_totp else "recovery_code"
        await sessions.prove(session, session_id=session_id, method=method)

    await tried(runtime, user_id=user_id, address=client.address, check=check_and_note)
    return _until(runtime)


async def ask_for_passkey(
    runtime: Runtime, *, actor: Principal, site: Party, client: Client
) -> passkeys.Question:
    """What the browser is to ask for one of the caller's passkeys."""
    user_id, _ = await _who(runtime, actor)
    return await passkeys.ask_to_use(
        runtime.db,
        purpose=passkeys.REAUTHENTICATE,
        party=site,
        address=client.address,
        user_id=user_id,
    )


async def by_passkey(
    runtime: Runtime, *, actor: Principal, challenge_id: str, credential: dict[str, Any]
) -> datetime:
    """Prove it with a passkey. Raises :class:`PasskeyRefused` and :class:`CeremonyOver`."""
    user_id, _ = await _who(runtime, actor)
    await passkeys.prove(
        runtime.db,
        purpose=passkeys.REAUTHENTICATE,
        challenge_id=challenge_id,
        credential=credential,
        user_id=user_id,
    )
    return await _proved(runtime, actor, "passkey")


async def by_identity(runtime: Runtime, *, actor: Principal, browser: str) -> datetime:
    """Prove it with a linked account at another service; only for who has no second factor.

    Args:
        runtime: This process.
        actor: The caller.
        browser: The handle that the browser brought back from there.

    Raises:
        FactorWanted: there is a second factor.
        CeremonyOver, IdentityRefused: nobody came back, or it was another account.
    """
    user_id, session_id = await _who(runtime, actor, second=True)
    await identities.reauthenticated(
        runtime, browser=browser, user_id=user_id, session_id=session_id
    )
    return await _proved(runtime, actor, "oidc")


async def _who(runtime: Runtime, actor: Principal, *, second: bool = False) -> tuple[UUID, UUID]:
    """The caller's ids; with ``second``, refused when they have a second factor to use."""
    if actor.user_id is None or actor.session_id is None:
        raise NoPerson
    if second:
        async with runtime.db.reading() as session:
            methods = await factors.methods_of(session, user_id=actor.user_id)
        if methods:
            raise FactorWanted(methods)
    return actor.user_id, actor.session_id


def _totp(runtime: Runtime, user_id: UUID, code: str) -> Callable[[AsyncSession], Awaitable[None]]:
    async def check(session: AsyncSession) -> None:
        await totp.check(session, user_id=user_id, secrets=runtime.secrets, code=code)

    return check


def _recovery(
    runtime: Runtime, actor: Principal, code: str, client: Client
) -> Callable[[AsyncSession], Awaitable[None]]:
    async def check(session: AsyncSession) -> None:
        assert actor.user_id is not None  # noqa: S101  # _who has looked
        user = await users.by_id(session, user_id=actor.user_id)
        if user is None:
            raise NoPerson
        await using.use(
            session, runtime=runtime, actor=actor, user=user, code=code, origin=client.origin
        )

    return check


async def _proved(runtime: Runtime, actor: Principal, method: str) -> datetime:
    assert actor.session_id is not None  # noqa: S101  # _who has looked
    async with runtime.db.transaction() as session:
        await sessions.prove(session, session_id=actor.session_id, method=method)
    return _until(runtime)


def _until(runtime: Runtime) -> datetime:
    minutes = runtime.settings.area(AccountsSettings).reauthentication_minutes
    return utc_now() + timedelta(minutes=minutes)
