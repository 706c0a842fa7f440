"""The cookie with the refresh token.

On HTTPS it is ``__Host-paifang``: the browser sends it to this very host alone, never in the clear,
shows it to no script, and not to requests from other sites but plain links. On plain HTTP browsers
take no such cookie; there it is ``paifang``, which whoever is in between can read or plant. Only
the one that fits the request's own way is looked at.
"""

from starlette.requests import Request
from starlette.responses import Response

NAME = "paifang"


def name(*, https: bool) -> str:
    """The cookie's name."""
    return f"__Host-{NAME}" if https else NAME


def read(request: Request, *, https: bool) -> str:
    """The refresh token of a request; empty when there is none."""
    return request.cookies.get(name(https=https), "")


def write(response: Response, token: str, *, seconds: int, https: bool) -> None:
    """Have the browser keep a refresh token for as long as it may be used."""
    response.set_cookie(
        name(https=https),
        token,
        max_age=seconds,
        path="/",
        secure=https,
        httponly=True,
        samesite="lax",
    )


def clear(response: Response, *, https: bool) -> None:
    """Have the browser forget it."""
    response.delete_cookie(name(https=https), path="/", secure=https, httponly=True, samesite="lax")
