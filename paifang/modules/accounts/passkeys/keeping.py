"""Making and removing passkeys, with all that goes along: recovery codes, a mail, and the sign-in
of who comes by a passkey or needs one before they are in.
"""

from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry import tickets
from paifang.modules.accounts.entry.admission import with_second, without_factor
from paifang.modules.accounts.entry.client import Client
from paifang.modules.accounts.entry.service import Entry, let_in, person
from paifang.modules.accounts.factors.models import Passkey
from paifang.modules.accounts.factors.notices import Change, tell
from paifang.modules.accounts.passkeys import ceremony, service
from paifang.modules.accounts.passkeys.errors import PasskeyNotFound, PasskeyRefused
from paifang.modules.accounts.passkeys.party import Party, party
from paifang.modules.accounts.recovery_codes import service as recovery_codes
from paifang.modules.accounts.sessions.service import Origin
from paifang.modules.accounts.users import service as users
from paifang.modules.accounts.users.models import User


def party_of(request: Request) -> Party:
    """The site that a request's passkeys are for. Raises :class:`PasskeysUnavailable`."""
    runtime: Runtime = request.app.state.runtime
    return party(public_url=runtime.settings.public_url, request_url=str(request.url))


async def make(
    runtime: Runtime,
    *,
    actor: Principal,
    user_id: UUID,
    challenge_id: str,
    credential: dict[str, Any],
    name: str,
    origin: Origin,
) -> tuple[Passkey, list[str] | None]:
    """Keep a passkey that a person's browser has made; recovery codes for who has none."""
    new = await service.answer_to_create(
        runtime.db, user_id=user_id, challenge_id=challenge_id, credential=credential
    )
    async with runtime.db.transaction() as session:
        # Held: a ticket adds a first factor to an account that has none, and waits for this.
        user = await users.by_id(session, user_id=user_id, lock=True)
        if user is None:
            raise PasskeyNotFound
        return await _made(
            session, runtime, actor=actor, user=user, new=new, name=name, origin=origin
        )


async def remove(
    session: AsyncSession,
    *,
    runtime: Runtime,
    actor: Principal,
    user_id: UUID,
    passkey_id: UUID,
    origin: Origin,
) -> None:
    """Take a person's passkey away, and tell them."""
    await service.remove(session, actor=actor, user_id=user_id, passkey_id=passkey_id)
    user = await users.by_id(session, user_id=user_id)
    if user is not None:
        await tell(
            session,
            base_url=runtime.base_url,
            user=user,
            change=Change.PASSKEY_REMOVED,
            origin=origin,
        )


async def sign_in(
    runtime: Runtime, *, challenge_id: str, credential: dict[str, Any], client: Client
) -> Entry:
    """Let in whoever holds a passkey. It is two factors: the device, and what unlocks it.

    Raises:
        CeremonyOver, PasskeyRefused: it proves nothing.
        AccountDisabled, AwaitingApproval: the account may not be used.
    """
    user_id = await service.prove(
        runtime.db, purpose=service.SIGN_IN, challenge_id=challenge_id, credential=credential
    )
    async with runtime.db.transaction() as session:
        user = await users.by_id(session, user_id=user_id, lock=True)
        if user is None:
            raise PasskeyRefused
        return await let_in(session, runtime=runtime, user=user, methods=["passkey"], client=client)


async def second(
    runtime: Runtime, *, ticket: str, challenge_id: str, credential: dict[str, Any], client: Client
) -> Entry:
    """Let somebody in who has a ticket and holds one of their passkeys."""
    known = tickets.read(runtime, ticket)
    await service.prove(
        runtime.db,
        purpose=service.SECOND,
        challenge_id=challenge_id,
        credential=credential,
        user_id=known.user_id,
    )

    async def proved(session: AsyncSession, user: User) -> None:
        del session, user

    return await with_second(runtime, ticket=ticket, method="passkey", client=client, prove=proved)


async def ask_first(
    runtime: Runtime, *, ticket: str, site: Party, client: Client
) -> service.Question:
    """Ask for a first passkey of somebody who has a ticket and no second factor yet."""
    async with runtime.db.transaction() as session:
        user = await without_factor(session, runtime=runtime, ticket=ticket)
    return await service.ask_to_create(
        runtime.db, user_id=user.id, party=site, address=client.address
    )


async def make_first(
    runtime: Runtime,
    *,
    ticket: str,
    challenge_id: str,
    credential: dict[str, Any],
    name: str,
    client: Client,
) -> tuple[Entry, list[str] | None]:
    """Keep that first passkey; and they are in."""
    known = tickets.read(runtime, ticket)
    new = await service.answer_to_create(
        runtime.db, user_id=known.user_id, challenge_id=challenge_id, credential=credential
    )
    async with runtime.db.transaction() as session:
        user = await without_factor(session, runtime=runtime, ticket=ticket)
        _, codes = await _made(
            session,
            runtime,
            actor=person(user),
            user=user,
            new=new,
            name=name,
            origin=client.origin,
        )
        entry = await let_in(
            session,
            runtime=runtime,
            user=user,
            methods=[*known.methods, "passkey"],
            client=client,
        )
        return entry, codes


async def _made(
    session: AsyncSession,
    runtime: Runtime,
    *,
    actor: Principal,
    user: User,
    new: ceremony.New,
    name: str,
    origin: Origin,
) -> tuple[Passkey, list[str] | None]:
    passkey = await service.add(session, actor=actor, user_id=user.id, new=new, name=name)
    await tell(
        session, base_url=runtime.base_url, user=user, change=Change.PASSKEY_ADDED, origin=origin
    )
    return passkey, await recovery_codes.first(session, actor=actor, user_id=user.id)
