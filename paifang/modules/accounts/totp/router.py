"""The API of authenticator apps: one's own, and as the second step of signing in."""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Caller, public, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry.admission import with_second
from paifang.modules.accounts.entry.answers import SignedIn, SignedInFirst, signed_in
from paifang.modules.accounts.entry.client import client_of
from paifang.modules.accounts.entry.guard import own_pages
from paifang.modules.accounts.entry.recent import recent
from paifang.modules.accounts.own import own_id
from paifang.modules.accounts.permissions import AccountsPermission
from paifang.modules.accounts.totp import algorithm, service, setting_up
from paifang.modules.accounts.totp.schemas import (
    FirstCodes,
    TicketOnly,
    TotpCode,
    TotpRead,
    TotpSignIn,
)
from paifang.modules.accounts.users.models import User

account = APIRouter(prefix="/account/totp", tags=["account"])
sign_in = APIRouter(prefix="/auth/sign-in/totp", tags=["auth"])
SELF = require(AccountsPermission.SELF)


@account.post("", dependencies=[SELF, recent()])
async def set_up_totp(request: Request, caller: Caller) -> TotpRead:
    """A secret for an authenticator app. It counts once `confirm` has taken a code."""
    runtime: Runtime = request.app.state.runtime
    email, secret = await setting_up.begin(runtime, user_id=own_id(caller))
    return _read(runtime, email, secret)


@account.post("/confirm", dependencies=[SELF])
async def confirm_totp(request: Request, caller: Caller, body: TotpCode) -> FirstCodes:
    """Show with a code that the app has the secret; from now on each sign-in asks for one."""
    codes = await setting_up.confirm(
        request.app.state.runtime,
        actor=caller,
        user_id=own_id(caller),
        code=body.code,
        origin=client_of(request).origin,
    )
    return FirstCodes(recovery_codes=codes)


@account.delete("", status_code=204, dependencies=[SELF, recent()])
async def remove_totp(request: Request, session: Db, caller: Caller) -> None:
    """Take the app away. Recovery codes go with the last second factor."""
    await setting_up.remove(
        session,
        runtime=request.app.state.runtime,
        actor=caller,
        user_id=own_id(caller),
        origin=client_of(request).origin,
    )


@sign_in.post("", dependencies=[public(), own_pages()])
async def sign_in_totp(request: Request, response: Response, body: TotpSignIn) -> SignedIn:
    """Go on with a code, after the password."""
    runtime: Runtime = request.app.state.runtime

    async def prove(session: AsyncSession, user: User) -> None:
        await service.check(session, user_id=user.id, secrets=runtime.secrets, code=body.code)

    entry = await with_second(
        runtime, ticket=body.ticket, method="totp", client=client_of(request), prove=prove
    )
    return signed_in(runtime, response, entry)


@sign_in.post("/set-up", dependencies=[public(), own_pages()])
async def first_totp(request: Request, body: TicketOnly) -> TotpRead:
    """A secret for the first second factor of somebody who needs one to sign in."""
    runtime: Runtime = request.app.state.runtime
    email, secret = await setting_up.begin_first(runtime, ticket=body.ticket)
    return _read(runtime, email, secret)


@sign_in.post("/confirm", dependencies=[public(), own_pages()])
async def confirm_first_totp(
    request: Request, response: Response, body: TotpSignIn
) -> SignedInFirst:
    """Confirm that first factor with a code, and be in."""
    runtime: Runtime = request.app.state.runtime
    entry, codes = await setting_up.confirm_first(
        runtime, ticket=body.ticket, code=body.code, client=client_of(request)
    )
    answer = signed_in(runtime, response, entry)
    return SignedInFirst(**dict(answer), recovery_codes=codes)


def _read(runtime: Runtime, email: str, secret: str) -> TotpRead:
    # Where one app holds codes of several installations, the host tells them apart.
    host = urlsplit(runtime.settings.public_url).hostname
    issuer = f"Paifang ({host})" if host else "Paifang"
    return TotpRead(secret=secret, uri=algorithm.uri(secret, account=email, issuer=issuer))
