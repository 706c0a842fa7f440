"""The API of going on and going out: by the cookie, so from our own pages alone."""

from fastapi import APIRouter, Request, Response

from paifang.core.auth import public
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry import cookies, service
from paifang.modules.accounts.entry.answers import SignedIn, signed_in
from paifang.modules.accounts.entry.client import by_https, client_of
from paifang.modules.accounts.entry.guard import own_pages

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/refresh", dependencies=[public(), own_pages()])
async def refresh(request: Request, response: Response) -> SignedIn:
    """A new access token for the cookie, which gets a new refresh token."""
    runtime: Runtime = request.app.state.runtime
    client = client_of(request)
    token = cookies.read(request, https=client.https)
    entry = await service.refresh(runtime, token=token, client=client)
    return signed_in(runtime, response, entry)


@router.post("/sign-out", status_code=204, dependencies=[public(), own_pages()])
async def sign_out(request: Request, response: Response) -> None:
    """End the session of the cookie. There being none is fine, too."""
    https = by_https(request)
    await service.sign_out(request.app.state.runtime, token=cookies.read(request, https=https))
    cookies.clear(response, https=https)
