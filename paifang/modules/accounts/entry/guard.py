"""Keeps other sites from using a visitor's cookie, or from signing them in as somebody else."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, Request

from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry.client import by_https
from paifang.modules.accounts.sessions.errors import CrossSite

_OWN = {"same-origin", "none"}


def own_pages() -> Any:
    """A dependency for each route that reads or sets a cookie.

    Browsers say where a request comes from (``Sec-Fetch-Site``); older ones name the origin of a
    POST. A form of another site can't send JSON. Programs send none of these headers, and no
    cookie that they were not given.
    """
    return Depends(check)


async def check(request: Request) -> None:
    """See :func:`own_pages`. Raises :class:`CrossSite`."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in _OWN:
            raise CrossSite
    elif (origin := request.headers.get("origin")) is not None and not _is_own(request, origin):
        raise CrossSite
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json":
        raise CrossSite("Send JSON, as Content-Type application/json.")


def _is_own(request: Request, origin: str) -> bool:
    runtime: Runtime = request.app.state.runtime
    scheme, host = _split(origin)
    own = {
        _split(f"//{request.headers.get('host', '')}")[1],
        _split(runtime.settings.public_url)[1],
    }
    # A page that came in the clear may be anybody's, whatever its address says.
    return host != "" and host in own and (scheme == "https" or not by_https(request))


def _split(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    return parts.scheme.lower(), parts.netloc.lower()
