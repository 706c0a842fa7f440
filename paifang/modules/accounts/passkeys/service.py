"""Making, using and removing passkeys. The only place that writes them.

What a browser answers is checked between transactions, in a thread: it is the processor's work, and
the library that does it is large. What was asked is taken back first, so that an answer to it,
right or wrong, is the only one.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, TypedDict
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import Database, utc_now
from paifang.modules.accounts.ceremonies import service as ceremonies
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.factors.models import Passkey
from paifang.modules.accounts.passkeys import ceremony
from paifang.modules.accounts.passkeys.errors import (
    PasskeyExists,
    PasskeyNotFound,
    PasskeyRefused,
    TooManyPasskeys,
)
from paifang.modules.accounts.passkeys.party import Party
from paifang.modules.accounts.users import service as users

CREATE = "passkey.create"
SIGN_IN = "passkey.sign_in"
"""Without any name before: the passkey tells whose it is."""
SECOND = "passkey.second"
"""After the password."""
REAUTHENTICATE = "passkey.reauthenticate"

MOST = 20
"""How many a person may have."""


class Question(TypedDict):
    """What a browser is to ask an authenticator, and by which name the answer comes back."""

    challenge_id: str
    options: dict[str, Any]


async def ask_to_create(db: Database, *, user_id: UUID, party: Party, address: str) -> Question:
    """Ask for a new passkey.

    Raises:
        TooManyPasskeys: the person has :data:`MOST`.
    """
    async with db.reading() as session:
        user = await users.by_id(session, user_id=user_id)
        known = await list_of(session, user_id=user_id)
    if user is None:
        raise PasskeyNotFound
    if len(known) >= MOST:
        raise TooManyPasskeys(f"An account has at most {MOST} passkeys. Remove one first.")
    options = await asyncio.to_thread(
        ceremony.creation_options,
        party,
        user_id=user_id.bytes,
        email=user.email,
        name=user.display_name,
        known=_known(known),
    )
    return await _asked(
        db, purpose=CREATE, party=party, options=options, user_id=user_id, address=address
    )


async def ask_to_use(
    db: Database, *, purpose: str, party: Party, address: str, user_id: UUID | None = None
) -> Question:
    """Ask for a passkey: any that this site knows, or one of a person's."""
    known: Sequence[Passkey] = ()
    if user_id is not None:
        async with db.reading() as session:
            known = await list_of(session, user_id=user_id)
    options = await asyncio.to_thread(ceremony.request_options, party, known=_known(known))
    return await _asked(
        db, purpose=purpose, party=party, options=options, user_id=user_id, address=address
    )


async def answer_to_create(
    db: Database, *, user_id: UUID, challenge_id: str, credential: dict[str, Any]
) -> ceremony.New:
    """The passkey that a browser has made; :func:`add` is to follow.

    Raises:
        CeremonyOver: nobody has asked, or it was answered before.
        PasskeyRefused: it does not fit what was asked.
    """
    async with db.transaction() as session:
        asked = await ceremonies.take(session, purpose=CREATE, handle=challenge_id, user_id=user_id)
    return await asyncio.to_thread(
        ceremony.created,
        Party(asked.data["id"], asked.data["origin"]),
        credential=credential,
        challenge=asked.data["challenge"],
    )


async def prove(
    db: Database,
    *,
    purpose: str,
    challenge_id: str,
    credential: dict[str, Any],
    user_id: UUID | None = None,
) -> UUID:
    """Take a passkey's answer; returns whose it is.

    Args:
        db: The database; what was asked is gone when this returns or raises.
        purpose: What it was asked for.
        challenge_id: What :func:`ask_to_use` gave.
        credential: What the browser sent.
        user_id: Who must hold it, where that is known.

    Raises:
        CeremonyOver: nobody has asked, or it was answered before.
        PasskeyRefused: it is not known, not theirs, or does not fit what was asked.
    """
    async with db.transaction() as session:
        asked = await ceremonies.take(
            session, purpose=purpose, handle=challenge_id, user_id=user_id
        )
        passkey = await session.scalar(
            select(Passkey).where(Passkey.credential_id == ceremony.credential_id(credential))
        )
    handle = await asyncio.to_thread(ceremony.user_handle, credential)
    if passkey is None or not _theirs(passkey, user_id, handle):
        raise PasskeyRefused("This passkey is not known here. Was it removed from the account?")
    used = await asyncio.to_thread(
        ceremony.used,
        Party(asked.data["id"], asked.data["origin"]),
        credential=credential,
        challenge=asked.data["challenge"],
        public_key=passkey.public_key,
        sign_count=passkey.sign_count,
    )
    async with db.transaction() as session:
        # Of two that are used at the same moment with one count, one is a copy.
        counted = await session.execute(
            update(Passkey)
            .where(Passkey.id == passkey.id, Passkey.sign_count == passkey.sign_count)
            .values(sign_count=used.sign_count, backed_up=used.backed_up, used_at=utc_now())
        )
        if counted.rowcount != 1:  # type: ignore[attr-defined]  # an UPDATE's result has it
            raise PasskeyRefused("It was removed, or used elsewhere at the same moment.")
    return passkey.user_id


async def add(
    session: AsyncSession, *, actor: Principal, user_id: UUID, new: ceremony.New, name: str
) -> Passkey:
    """Keep a passkey that a browser has made.

    Raises:
        PasskeyExists: it is known already.
    """
    if await session.scalar(select(Passkey).where(Passkey.credential_id == new.credential_id)):
        raise PasskeyExists
    passkey = Passkey(
        user_id=user_id,
        credential_id=new.credential_id,
        public_key=new.public_key,
        sign_count=new.sign_count,
        transports=new.transports,
        aaguid=new.aaguid,
        synced=new.synced,
        backed_up=new.backed_up,
        name=name,
    )
    session.add(passkey)
    await session.flush()
    _record(session, actor, "add", passkey, {"name": name})
    return passkey


async def list_of(session: AsyncSession, *, user_id: UUID) -> Sequence[Passkey]:
    """A person's passkeys, the oldest first."""
    found = select(Passkey).where(Passkey.user_id == user_id)
    return (await session.scalars(found.order_by(Passkey.created_at, Passkey.id))).all()


async def rename(
    session: AsyncSession, *, actor: Principal, user_id: UUID, passkey_id: UUID, name: str
) -> Passkey:
    """Call a passkey something else. Raises :class:`PasskeyNotFound`."""
    passkey = await _found(session, user_id, passkey_id)
    if passkey.name != name:
        passkey.name = name
        await session.flush()
        _record(session, actor, "rename", passkey, {"name": name})
    return passkey


async def remove(
    session: AsyncSession, *, actor: Principal, user_id: UUID, passkey_id: UUID
) -> Passkey:
    """Take a passkey away.

    Raises:
        PasskeyNotFound: the person has none such.
        LastWayIn: it is the only way to sign in.
        SecondFactorRequired: it is the last second factor, and one is asked for.
    """
    passkey = await _found(session, user_id, passkey_id)
    await factors.check_not_last(session, user_id=user_id)
    await session.delete(passkey)
    await session.flush()
    await factors.factor_removed(session, user_id=user_id)
    _record(session, actor, "remove", passkey, {"name": passkey.name})
    return passkey


async def _asked(
    db: Database,
    *,
    purpose: str,
    party: Party,
    options: dict[str, Any],
    user_id: UUID | None,
    address: str,
) -> Question:
    async with db.transaction() as session:
        handle = await ceremonies.begin(
            session,
            purpose=purpose,
            data={"challenge": options["challenge"], "id": party.id, "origin": party.origin},
            user_id=user_id,
            address=address,
        )
    return Question(challenge_id=handle, options=options)


async def _found(session: AsyncSession, user_id: UUID, passkey_id: UUID) -> Passkey:
    passkey = await session.get(Passkey, passkey_id)
    if passkey is None or passkey.user_id != user_id:
        raise PasskeyNotFound
    return passkey


def _theirs(passkey: Passkey, user_id: UUID | None, handle: bytes | None) -> bool:
    """Whether a passkey is whose it must be; without a name before, the authenticator says so."""
    told = handle == passkey.user_id.bytes
    return told if user_id is None else passkey.user_id == user_id and (told or handle is None)


def _known(passkeys: Sequence[Passkey]) -> list[ceremony.Known]:
    return [ceremony.Known(passkey.credential_id, passkey.transports) for passkey in passkeys]


def _record(
    session: AsyncSession, actor: Principal, verb: str, passkey: Passkey, changes: dict[str, Any]
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"accounts.passkey.{verb}",
        subject_type="user",
        subject_id=str(passkey.user_id),
        changes={"passkey": str(passkey.id), **changes},
    )
