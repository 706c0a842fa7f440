"""The API of passkeys: one's own, as the only step of signing in, and as the second."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from paifang.core.auth import Caller, public, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry import tickets
from paifang.modules.accounts.entry.answers import SignedIn, SignedInFirst, signed_in
from paifang.modules.accounts.entry.client import client_of
from paifang.modules.accounts.entry.guard import own_pages
from paifang.modules.accounts.entry.recent import recent
from paifang.modules.accounts.own import own_id
from paifang.modules.accounts.passkeys import keeping, service
from paifang.modules.accounts.passkeys.keeping import party_of
from paifang.modules.accounts.passkeys.schemas import (
    PasskeyAnswer,
    PasskeyCreate,
    PasskeyFirst,
    PasskeyMade,
    PasskeyRead,
    PasskeySecond,
    PasskeyTicket,
    PasskeyUpdate,
    QuestionRead,
)
from paifang.modules.accounts.permissions import AccountsPermission

account = APIRouter(prefix="/account/passkeys", tags=["account"])
auth = APIRouter(prefix="/auth", tags=["auth"])
SELF = require(AccountsPermission.SELF)


@account.get("", dependencies=[SELF])
async def list_passkeys(session: Db, caller: Caller) -> list[PasskeyRead]:
    """Your passkeys, the oldest first."""
    found = await service.list_of(session, user_id=own_id(caller))
    return [PasskeyRead.model_validate(passkey) for passkey in found]


@account.post("/options", dependencies=[SELF, recent()])
async def passkey_options(request: Request, caller: Caller) -> QuestionRead:
    """What the browser is to ask for a new passkey."""
    runtime: Runtime = request.app.state.runtime
    question = await service.ask_to_create(
        runtime.db,
        user_id=own_id(caller),
        party=party_of(request),
        address=client_of(request).address,
    )
    return QuestionRead(**question)


@account.post("", status_code=201, dependencies=[SELF, recent()])
async def create_passkey(request: Request, caller: Caller, body: PasskeyCreate) -> PasskeyMade:
    """Keep the passkey that the browser has made. It is a way in, and a second factor."""
    passkey, codes = await keeping.make(
        request.app.state.runtime,
        actor=caller,
        user_id=own_id(caller),
        challenge_id=body.challenge_id,
        credential=body.credential,
        name=body.name,
        origin=client_of(request).origin,
    )
    return PasskeyMade(passkey=PasskeyRead.model_validate(passkey), recovery_codes=codes)


@account.patch("/{passkey_id}", dependencies=[SELF])
async def rename_passkey(
    session: Db, caller: Caller, passkey_id: UUID, body: PasskeyUpdate
) -> PasskeyRead:
    """Call a passkey something else."""
    passkey = await service.rename(
        session, actor=caller, user_id=own_id(caller), passkey_id=passkey_id, name=body.name
    )
    return PasskeyRead.model_validate(passkey)


@account.delete("/{passkey_id}", status_code=204, dependencies=[SELF, recent()])
async def remove_passkey(request: Request, session: Db, caller: Caller, passkey_id: UUID) -> None:
    """Take a passkey away; not the last way in, nor a last second factor that is needed."""
    await keeping.remove(
        session,
        runtime=request.app.state.runtime,
        actor=caller,
        user_id=own_id(caller),
        passkey_id=passkey_id,
        origin=client_of(request).origin,
    )


@auth.post("/passkeys/options", dependencies=[public(), own_pages()])
async def passkey_sign_in_options(request: Request) -> QuestionRead:
    """What the browser is to ask for any passkey that it has for this site."""
    runtime: Runtime = request.app.state.runtime
    question = await service.ask_to_use(
        runtime.db,
        purpose=service.SIGN_IN,
        party=party_of(request),
        address=client_of(request).address,
    )
    return QuestionRead(**question)


@auth.post("/passkeys/sign-in", dependencies=[public(), own_pages()])
async def passkey_sign_in(request: Request, response: Response, body: PasskeyAnswer) -> SignedIn:
    """Sign in with a passkey alone."""
    runtime: Runtime = request.app.state.runtime
    entry = await keeping.sign_in(
        runtime,
        challenge_id=body.challenge_id,
        credential=body.credential,
        client=client_of(request),
    )
    return signed_in(runtime, response, entry)


@auth.post("/sign-in/passkey/options", dependencies=[public(), own_pages()])
async def second_passkey_options(request: Request, body: PasskeyTicket) -> QuestionRead:
    """What the browser is to ask for one of the passkeys of who has a ticket."""
    runtime: Runtime = request.app.state.runtime
    question = await service.ask_to_use(
        runtime.db,
        purpose=service.SECOND,
        party=party_of(request),
        address=client_of(request).address,
        user_id=tickets.read(runtime, body.ticket).user_id,
    )
    return QuestionRead(**question)


@auth.post("/sign-in/passkey", dependencies=[public(), own_pages()])
async def second_passkey(request: Request, response: Response, body: PasskeySecond) -> SignedIn:
    """Go on with a passkey, after the password."""
    runtime: Runtime = request.app.state.runtime
    entry = await keeping.second(
        runtime,
        ticket=body.ticket,
        challenge_id=body.challenge_id,
        credential=body.credential,
        client=client_of(request),
    )
    return signed_in(runtime, response, entry)


@auth.post("/sign-in/passkey/set-up", dependencies=[public(), own_pages()])
async def first_passkey_options(request: Request, body: PasskeyTicket) -> QuestionRead:
    """What the browser is to ask for the first second factor of somebody who needs one."""
    question = await keeping.ask_first(
        request.app.state.runtime,
        ticket=body.ticket,
        site=party_of(request),
        client=client_of(request),
    )
    return QuestionRead(**question)


@auth.post("/sign-in/passkey/confirm", dependencies=[public(), own_pages()])
async def first_passkey(request: Request, response: Response, body: PasskeyFirst) -> SignedInFirst:
    """Keep that first passkey, and be in."""
    runtime: Runtime = request.app.state.runtime
    entry, codes = await keeping.make_first(
        runtime,
        ticket=body.ticket,
        challenge_id=body.challenge_id,
        credential=body.credential,
        name=body.name,
        client=client_of(request),
    )
    return SignedInFirst(**dict(signed_in(runtime, response, entry)), recovery_codes=codes)
