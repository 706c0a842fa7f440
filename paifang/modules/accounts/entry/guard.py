"""Keeps other sites from using a visitor's cookie, or from signing them in as somebody else."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, Request

from paifang.core.runtime import Runtime
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
    own = {_host(f"//{request.headers.get('host', '')}"), _host(runtime.settings.public_url)}
    given = _host(origin)
    return given != "" and given in own


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
