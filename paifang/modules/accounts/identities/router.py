"""The API of sign-in by another service, and of one's accounts there."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from paifang.core.auth import Caller, public, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry.admission import NeedsFactor
from paifang.modules.accounts.entry.answers import FactorNeeded, signed_in
from paifang.modules.accounts.entry.client import by_https, client_of
from paifang.modules.accounts.entry.guard import own_pages
from paifang.modules.accounts.entry.recent import recent
from paifang.modules.accounts.identities import cookies, service, trips
from paifang.modules.accounts.identities.schemas import (
    IdentityAway,
    IdentityRead,
    IdentityStart,
    OidcArrived,
    OidcCallback,
    OidcFinish,
)
from paifang.modules.accounts.own import own_id
from paifang.modules.accounts.permissions import AccountsPermission

auth = APIRouter(prefix="/auth/oidc", tags=["auth"])
account = APIRouter(prefix="/account/identities", tags=["account"])
SELF = require(AccountsPermission.SELF)
PAGE = "/sign-in/oidc"
"""The page that a browser comes back to; it fetches what came of the trip."""


@auth.get("/{provider}/start", dependencies=[public()], status_code=303, response_class=Response)
async def start_oidc(
    request: Request,
    provider: str,
    next_path: Annotated[
        str, Query(alias="next", max_length=512, description="Where our pages go in the end.")
    ] = "/",
) -> Response:
    """Go to another service to sign in. For a browser: a link, not a call."""
    runtime: Runtime = request.app.state.runtime
    client = client_of(request)
    browser = cookies.ensure(request, https=client.https)
    begun = await trips.begin(
        runtime,
        provider=trips.provider_of(runtime, provider),
        purpose=trips.SIGN_IN,
        browser=browser,
        site=_site(request),
        address=client.address,
        next_path=next_path,
    )
    response = RedirectResponse(begun.url, 303)
    cookies.write(response, browser, https=client.https)
    return response


@auth.get(
    "/{provider}/callback",
    dependencies=[public(any_text=True)],
    status_code=303,
    response_class=Response,
)
async def oidc_callback(
    request: Request,
    provider: str,
    told: Annotated[OidcCallback, Query()],
) -> Response:
    """Where the other service sends the browser back to; it goes on to a page of ours.

    Nothing that came back is in that page's address: it waits here for the browser's cookie.
    """
    runtime: Runtime = request.app.state.runtime
    purpose = await trips.come_back(
        runtime,
        provider=trips.provider_of(runtime, provider),
        browser=cookies.read(request, https=by_https(request)),
        state=told.state,
        code=told.code,
        error=told.error,
        iss=told.iss,
    )
    return RedirectResponse(f"{PAGE}#{purpose or 'over'}", 303)


@auth.post("/finish", dependencies=[public(), own_pages()])
async def finish_oidc(request: Request, response: Response, body: OidcFinish) -> OidcArrived:
    """What came of the trip, once: in, or one more factor to show, or why not."""
    runtime: Runtime = request.app.state.runtime
    client = client_of(request)
    arrived = await service.sign_in(
        runtime,
        browser=cookies.read(request, https=client.https),
        client=client,
        locale=body.locale,
        invitation=body.invitation,
    )
    cookies.clear(response, https=client.https)
    result = arrived.result
    if isinstance(result, NeedsFactor):
        factor = FactorNeeded(ticket=result.ticket, factors=result.factors, set_up=result.set_up)
        return OidcArrived(signed_in=None, factor=factor, next=arrived.next_path)
    answer = signed_in(runtime, response, result)
    return OidcArrived(signed_in=answer, factor=None, next=arrived.next_path)


@account.get("", dependencies=[SELF])
async def list_identities(session: Db, caller: Caller) -> list[IdentityRead]:
    """Your accounts at other services, the oldest first."""
    found = await service.list_of(session, user_id=own_id(caller))
    return [IdentityRead.model_validate(identity) for identity in found]


@account.post("/{provider}/start", dependencies=[SELF, own_pages()])
async def start_identity(
    request: Request, response: Response, caller: Caller, provider: str, body: IdentityStart
) -> IdentityAway:
    """Where to send the browser, to link an account there or to prove once more who you are."""
    runtime: Runtime = request.app.state.runtime
    client = client_of(request)
    browser = cookies.ensure(request, https=client.https)
    begun = await trips.begin(
        runtime,
        provider=trips.provider_of(runtime, provider),
        purpose=body.purpose,
        browser=browser,
        site=_site(request),
        address=client.address,
        next_path=body.next,
        user_id=own_id(caller),
        session_id=caller.session_id,
    )
    cookies.write(response, browser, https=client.https)
    return IdentityAway(url=begun.url)


@account.post("", status_code=201, dependencies=[SELF, recent(), own_pages()])
async def link_identity(request: Request, response: Response, caller: Caller) -> IdentityRead:
    """Link the account that the browser has just come back from."""
    client = client_of(request)
    identity = await service.link(
        request.app.state.runtime,
        actor=caller,
        user_id=own_id(caller),
        browser=cookies.read(request, https=client.https),
        origin=client.origin,
    )
    cookies.clear(response, https=client.https)
    return IdentityRead.model_validate(identity)


@account.delete("/{identity_id}", status_code=204, dependencies=[SELF, recent()])
async def unlink_identity(request: Request, session: Db, caller: Caller, identity_id: UUID) -> None:
    """Take a link away; not the last way to sign in."""
    await service.unlink(
        session,
        runtime=request.app.state.runtime,
        actor=caller,
        user_id=own_id(caller),
        identity_id=identity_id,
        origin=client_of(request).origin,
    )


def _site(request: Request) -> str:
    """The address that a provider sends the browser back to.

    That of the setting; without one the request's own, if that is this machine: a ``Host`` header
    says what its sender likes.
    """
    runtime: Runtime = request.app.state.runtime
    host = request.url.hostname or ""
    here = host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")
    if here and not runtime.settings.public_url:
        return str(request.base_url).rstrip("/")
    return runtime.base_url
