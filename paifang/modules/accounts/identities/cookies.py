"""The cookie that ties a trip to another service to the browser that began it.

Who comes back with another browser's answer gets nothing, whatever the URL says. What came back
waits on the server under the same cookie: nothing of it is ever in a URL. It is ``Lax`` and not
``Strict``, because the way back is a link from another site.
"""

import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

NAME = "paifang-oidc"
SECONDS = 600


def name(*, https: bool) -> str:
    """The cookie's name; browsers take the prefix from this very host alone, by HTTPS."""
    return f"__Host-{NAME}" if https else NAME


def read(request: Request, *, https: bool) -> str:
    """The browser's handle; empty when it has none."""
    value = request.cookies.get(name(https=https), "")
    return value if re.fullmatch(r"[A-Za-z0-9_-]{43}", value) else ""


def ensure(request: Request, *, https: bool) -> str:
    """The browser's handle, or a new one: two tabs that begin at once share it."""
    return read(request, https=https) or secrets.token_urlsafe(32)


def write(response: Response, browser: str, *, https: bool) -> None:
    """Have the browser keep the handle until it comes back."""
    response.set_cookie(
        name(https=https),
        browser,
        max_age=SECONDS,
        path="/",
        secure=https,
        httponly=True,
        samesite="lax",
    )


def clear(response: Response, *, https: bool) -> None:
    """Have the browser forget it."""
    response.delete_cookie(name(https=https), path="/", secure=https, httponly=True, samesite="lax")
