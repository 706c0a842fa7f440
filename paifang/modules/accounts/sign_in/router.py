"""The API of signing in."""

from typing import Annotated, Any, ClassVar

import orjson
from fastapi import APIRouter, Form, Request, Response
from fastapi.routing import APIRoute

from paifang.core.auth import public
from paifang.core.openapi import described
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry import service as entries
from paifang.modules.accounts.entry.answers import FactorNeeded, SignedIn, answered
from paifang.modules.accounts.entry.client import client_of
from paifang.modules.accounts.entry.guard import own_pages
from paifang.modules.accounts.entry.service import Entry
from paifang.modules.accounts.sign_in import service
from paifang.modules.accounts.sign_in.errors import FactorRequired
from paifang.modules.accounts.sign_in.schemas import (
    PasswordSignIn,
    ProgramRefusal,
    ProgramTokens,
)

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/sign-in", dependencies=[public(), own_pages()])
async def sign_in(
    request: Request, response: Response, body: PasswordSignIn
) -> SignedIn | FactorNeeded:
    """Sign in by password; who has a second factor gets a ticket for it."""
    runtime: Runtime = request.app.state.runtime
    result = await service.by_password(
        runtime,
        email=body.email,
        password=body.password,
        challenge=body.challenge,
        client=client_of(request),
    )
    return answered(runtime, response, result)


class OAuthRoute(APIRoute):
    """A route whose refusals have OAuth's shape (RFC 6749, section 5.2)."""

    refusals: ClassVar = described((400, 429, 503), ProgramRefusal)

    def render_problem(self, status: int, detail: str, headers: Any) -> Response:
        """A refusal."""
        errors = {422: "invalid_request", 503: "temporarily_unavailable"}
        body = {"error": errors.get(status, "invalid_grant"), "error_description": detail}
        kept = {k: v for k, v in (headers or {}).items() if k != "WWW-Authenticate"}
        answered = status if status in {429, 503} else 400
        return Response(orjson.dumps(body), answered, kept, "application/json")


programs = APIRouter(prefix="/auth", tags=["auth"], route_class=OAuthRoute)


@programs.post("/token", dependencies=[public()])
async def token(
    request: Request,
    grant_type: Annotated[str, Form(max_length=32, pattern="^(password|refresh_token)$")],
    username: Annotated[str, Form(max_length=254)] = "",
    password: Annotated[str, Form(max_length=512)] = "",
    refresh_token: Annotated[str, Form(max_length=2048)] = "",
) -> ProgramTokens:
    """Tokens for a program and for "Authorize" in the API reference (OAuth 2).

    Takes the password of an account without a second factor, or a refresh token. A program that
    calls models wants a token of a group instead.
    """
    runtime: Runtime = request.app.state.runtime
    client = client_of(request)
    if grant_type == "refresh_token":
        return _tokens(await entries.refresh(runtime, token=refresh_token, client=client))
    result = await service.by_password(
        runtime, email=username, password=password, challenge=None, client=client.without_cookie()
    )
    if not isinstance(result, Entry):
        raise FactorRequired
    return _tokens(result)


def _tokens(entry: Entry) -> ProgramTokens:
    return ProgramTokens(
        access_token=entry.access_token,
        token_type="Bearer",  # noqa: S106  # OAuth's word
        expires_in=entry.access_seconds,
        refresh_token=entry.refresh_token,
    )
