"""The API of proving once more who one is."""

from datetime import datetime

from fastapi import APIRouter, Request

from paifang.core.auth import Caller, Principal, require
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry.client import Client, client_of
from paifang.modules.accounts.identities import cookies
from paifang.modules.accounts.passkeys.keeping import party_of
from paifang.modules.accounts.permissions import AccountsPermission
from paifang.modules.accounts.reauthentication import service
from paifang.modules.accounts.reauthentication.schemas import Proof, ProofQuestion, ProvedRead

router = APIRouter(prefix="/account/reauthenticate", tags=["account"])
SELF = require(AccountsPermission.SELF)


@router.post("", dependencies=[SELF])
async def reauthenticate(request: Request, caller: Caller, body: Proof) -> ProvedRead:
    """Prove once more who you are; sensitive changes are taken for some minutes then."""
    runtime: Runtime = request.app.state.runtime
    client = client_of(request)
    browser = cookies.read(request, https=client.https)
    return ProvedRead(until=await _prove(runtime, caller, body, client, browser))


async def _prove(
    runtime: Runtime, caller: Principal, body: Proof, client: Client, browser: str
) -> datetime:
    if body.password is not None:
        return await service.by_password(
            runtime, actor=caller, password=body.password, client=client
        )
    if body.code is not None:
        return await service.by_code(runtime, actor=caller, code=body.code, client=client)
    if body.credential is not None and body.challenge_id is not None:
        return await service.by_passkey(
            runtime, actor=caller, challenge_id=body.challenge_id, credential=body.credential
        )
    return await service.by_identity(runtime, actor=caller, browser=browser)


@router.post("/options", dependencies=[SELF])
async def reauthenticate_options(request: Request, caller: Caller) -> ProofQuestion:
    """What the browser is to ask for one of your passkeys."""
    question = await service.ask_for_passkey(
        request.app.state.runtime,
        actor=caller,
        site=party_of(request),
        client=client_of(request),
    )
    return ProofQuestion(**question)
