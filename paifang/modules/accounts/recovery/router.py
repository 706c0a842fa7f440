"""The API of getting back in, and of changing how one gets in."""

from fastapi import APIRouter, Request, Response

from paifang.core.auth import Caller, public, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry.client import client_of
from paifang.modules.accounts.entry.devices import DeviceCookies
from paifang.modules.accounts.entry.guard import own_pages
from paifang.modules.accounts.permissions import AccountsPermission
from paifang.modules.accounts.recovery import service
from paifang.modules.accounts.recovery.schemas import (
    EmailChange,
    Forgotten,
    PasswordChange,
    Reset,
    Token,
)

router = APIRouter(prefix="/auth", tags=["auth"])
own_router = APIRouter(prefix="/account", tags=["account"])
SELF = require(AccountsPermission.SELF)


@router.post("/password/forgot", status_code=202, dependencies=[public(), own_pages()])
async def forgot(request: Request, body: Forgotten) -> None:
    """Ask for a link that sets a password. The answer is the same whether there is an account."""
    await service.forgot(
        request.app.state.runtime,
        email=body.email,
        challenge=body.challenge,
        client=client_of(request),
    )


@router.post("/password/reset", status_code=204, dependencies=[public(), own_pages()])
async def reset(request: Request, response: Response, body: Reset) -> None:
    """Set a password with the link of a mail; then sign in with it, second factor and all."""
    runtime: Runtime = request.app.state.runtime
    client = client_of(request)
    user = await service.reset(
        runtime, token=body.token, password=body.password, sign_out=body.sign_out, client=client
    )
    DeviceCookies(runtime.secrets).write(response, client.device, user.id, https=client.https)


@router.post("/email/confirm", status_code=204, dependencies=[public(), own_pages()])
async def confirm_email(session: Db, body: Token) -> None:
    """Take the link that a new address got."""
    await service.confirm_email(session, token=body.token)


@router.post("/email/keep", status_code=204, dependencies=[public(), own_pages()])
async def keep_email(session: Db, body: Token) -> None:
    """Take the link that the old address got: it stays, or is the account's again."""
    await service.keep_email(session, token=body.token)


@own_router.post("/password", status_code=204, dependencies=[SELF])
async def change_password(request: Request, caller: Caller, body: PasswordChange) -> None:
    """Change your password; your other sessions end."""
    await service.change_password(
        request.app.state.runtime,
        caller=caller,
        password=body.password,
        current=body.current,
        client=client_of(request),
    )


@own_router.post("/email", status_code=202, dependencies=[SELF])
async def change_email(request: Request, session: Db, caller: Caller, body: EmailChange) -> None:
    """Ask for another mail address; a link goes there, and one that takes it back to the old."""
    await service.ask_new_email(
        session,
        runtime=request.app.state.runtime,
        caller=caller,
        email=body.email,
        client=client_of(request),
    )
