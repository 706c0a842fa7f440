"""The API of recovery codes."""

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Caller, public, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry.admission import with_second
from paifang.modules.accounts.entry.answers import SignedIn, signed_in
from paifang.modules.accounts.entry.client import client_of
from paifang.modules.accounts.entry.guard import own_pages
from paifang.modules.accounts.entry.recent import recent
from paifang.modules.accounts.entry.service import person
from paifang.modules.accounts.own import own_id
from paifang.modules.accounts.permissions import AccountsPermission
from paifang.modules.accounts.recovery_codes import using
from paifang.modules.accounts.recovery_codes.schemas import RecoveryCodeSignIn, RecoveryCodesRead
from paifang.modules.accounts.users.models import User

account = APIRouter(prefix="/account/recovery-codes", tags=["account"])
sign_in = APIRouter(prefix="/auth/sign-in/recovery-code", tags=["auth"])
SELF = require(AccountsPermission.SELF)


@account.post("", status_code=201, dependencies=[SELF, recent()])
async def renew_recovery_codes(request: Request, session: Db, caller: Caller) -> RecoveryCodesRead:
    """Ten new recovery codes; those before are over."""
    codes = await using.renew(
        session,
        runtime=request.app.state.runtime,
        actor=caller,
        user_id=own_id(caller),
        origin=client_of(request).origin,
    )
    return RecoveryCodesRead(recovery_codes=codes)


@sign_in.post("", dependencies=[public(), own_pages()])
async def sign_in_recovery_code(
    request: Request, response: Response, body: RecoveryCodeSignIn
) -> SignedIn:
    """Go on with a recovery code, after the password; it is used up."""
    runtime: Runtime = request.app.state.runtime
    client = client_of(request)

    async def prove(session: AsyncSession, user: User) -> None:
        await using.use(
            session,
            runtime=runtime,
            actor=person(user),
            user=user,
            code=body.code,
            origin=client.origin,
        )

    entry = await with_second(
        runtime, ticket=body.ticket, method="recovery_code", client=client, prove=prove
    )
    return signed_in(runtime, response, entry)
