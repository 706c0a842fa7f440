"""Serves the web app, ``/docs``, ``/redoc`` and ``/openapi.json`` from the package.

The app finds its own way: each of its addresses is answered with the same page. An address that it
has no page for is answered with that page, too, and with 404.
"""

import asyncio
import functools
import gzip
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from paifang import __version__
from paifang.core.auth import public
from paifang.core.errors import NotFound, Unavailable
from paifang.core.headers import DEFAULT_CSP

Handler = Callable[[Request, Exception], Awaitable[Response]]

pages_router = APIRouter(tags=["pages"], include_in_schema=False)

PACKAGE = Path(__file__).parent.parent
STATIC = PACKAGE / "pages" / "static"
BAR = PACKAGE / "pages" / "bar.html"
"""What stands at the top of every page, where :data:`BAR_HERE` is."""
BAR_HERE = "<!-- bar -->\n"
ADDRESSES = {"docs.html": "/docs", "redoc.html": "/redoc"}
WEB = PACKAGE / "web"
"""The web app, built there by ``make web``; inside the wheel, not in git."""
REFERENCE = WEB / "reference"
"""Swagger UI and Redoc, copied there by ``make web``."""
FOR_EVER = "public, max-age=31536000, immutable"
"""For files with a hash of their content in their name."""

JSON = "application/json"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Redoc styles itself through an empty <style> element that a script then fills: allowed by the
# hash of the empty string. The second hash is that of the sheet its scroll bars bring along; a
# newer Redoc may need another, and the browser test says which. It searches in a worker made
# from a blob.
REDOC_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' "
    "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
)
REDOC_CSP = (
    DEFAULT_CSP.decode().replace("style-src 'self'", f"style-src 'self' {REDOC_STYLES}")
    + "; worker-src blob:"
)

READ = ["GET", "HEAD"]
"""What a page answers to. Its function is a plain one, so that reading and compressing run on a
thread: the relay shares this process's event loop."""


@pages_router.api_route("/", methods=READ, dependencies=[public()])
def home(request: Request) -> Response:
    """The web app; when it is not built, a page that says so."""
    if not (WEB / "index.html").is_file():
        response = _file(request, STATIC, "unbuilt.html")
        response.status_code = 503
        return response
    return _file(request, WEB, "index.html")


@pages_router.api_route("/assets/{name}", methods=READ, dependencies=[public()])
def assets(request: Request, name: str) -> Response:
    """A file of the web app."""
    response = _file(request, WEB / "assets", name)
    response.headers["cache-control"] = FOR_EVER
    return response


@pages_router.api_route("/docs", methods=READ, dependencies=[public()])
def docs(request: Request) -> Response:
    """The API reference to try things out (Swagger UI)."""
    _need_reference()
    return _file(request, STATIC, "docs.html")


@pages_router.api_route("/redoc", methods=READ, dependencies=[public()])
def redoc(request: Request) -> Response:
    """The API reference to read (Redoc)."""
    _need_reference()
    response = _file(request, STATIC, "redoc.html")
    response.headers["content-security-policy"] = REDOC_CSP
    return response


@pages_router.api_route("/openapi.json", methods=READ, dependencies=[public()])
def openapi_json(request: Request) -> Response:
    """The OpenAPI document."""
    state = request.app.state
    if not hasattr(state, "openapi_page"):
        state.openapi_page = _page(orjson.dumps(request.app.openapi()), JSON)
    page: Page = state.openapi_page
    return _answer(request, page)


@pages_router.api_route("/static/{name}", methods=READ, dependencies=[public()])
def static(request: Request, name: str) -> Response:
    """A file of the pages themselves."""
    return _file(request, STATIC, name)


@pages_router.api_route("/reference/{name}", methods=READ, dependencies=[public()])
def reference(request: Request, name: str) -> Response:
    """A file of Swagger UI or Redoc."""
    return _file(request, REFERENCE, name)


@pages_router.api_route("/favicon.ico", methods=READ, dependencies=[public()])
def favicon(request: Request) -> Response:
    """The mark."""
    return _file(request, STATIC, "mark.svg")


@dataclass(frozen=True, slots=True)
class Page:
    """A body that does not change, plain and compressed."""

    media_type: str
    plain: bytes
    zipped: bytes
    tag: str
    """Hash of the plain body, without quotes."""


def _page(content: bytes, media_type: str) -> Page:
    tag = hashlib.sha256(content).hexdigest()[:16]
    return Page(media_type, content, gzip.compress(content, 6, mtime=0), tag)


def _need_reference() -> None:
    if not REFERENCE.is_dir():
        raise Unavailable("The API reference is not built; run `make web`. /openapi.json is there.")


def assemble(path: Path) -> str:
    """A page with its bar, which names the place one is at, and with the version."""
    here = ADDRESSES.get(path.name, "")
    bar = BAR.read_text(encoding="utf-8").replace(
        f'href="{here}" data', f'href="{here}" aria-current="page" data'
    )
    page = path.read_text(encoding="utf-8").replace(BAR_HERE, bar)
    return page.replace("@version@", __version__)


@functools.lru_cache(maxsize=256)
def _load(path: Path, *_changed: int) -> Page:
    content = assemble(path).encode() if path.suffix == ".html" else path.read_bytes()
    return _page(content, TYPES[path.suffix])


def _file(request: Request, folder: Path, name: str) -> Response:
    # The names are those of the folder, looked up and never joined: nothing to traverse.
    known = {p.name: p for p in folder.iterdir()} if folder.is_dir() else {}
    path = known.get(name)
    if path is None or path.suffix not in TYPES or not path.is_file():
        raise NotFound("There is no such file here.")
    return _answer(request, _load(path, path.stat().st_mtime_ns, BAR.stat().st_mtime_ns))


def install_missing_page(api: FastAPI) -> None:
    """Give browsers the app, also where an address leads nowhere; below ``/api`` stay problems."""
    usual = cast("Handler", api.exception_handlers[HTTPException])

    async def missing(request: Request, error: Exception) -> Response:
        unknown = isinstance(error, HTTPException) and error.status_code == 404
        if not unknown or not _is_for_a_person(request):
            return await usual(request, error)
        return await asyncio.to_thread(_app_or_missing, request)

    api.add_exception_handler(HTTPException, missing)


def _app_or_missing(request: Request) -> Response:
    app = WEB / "index.html"
    path = app if app.is_file() else STATIC / "missing.html"
    page = _load(path, path.stat().st_mtime_ns, BAR.stat().st_mtime_ns)
    if path == app and request.url.path.split("/")[1] in _places(WEB / "places.json"):
        response = _answer(request, page)
        response.headers["vary"] = "accept, accept-encoding"
        return response
    headers = {"cache-control": "no-cache", "vary": "accept"}
    return Response(page.plain, 404, headers, page.media_type)


@functools.lru_cache(maxsize=4)
def _places(path: Path) -> frozenset[str]:
    """The first parts of the app's addresses."""
    return frozenset(orjson.loads(path.read_bytes()))


def _is_for_a_person(request: Request) -> bool:
    """Whether a browser asks for a page: programs take anything, or JSON."""
    path = request.url.path
    if request.method not in READ or path.startswith(("/api/", "/assets/")):
        return False
    wanted = [
        entry.partition(";")[0].strip() for entry in request.headers.get("accept", "").split(",")
    ]
    return "text/html" in wanted


def _answer(request: Request, page: Page) -> Response:
    zipped = _accepts_gzip(request.headers.get("accept-encoding", ""))
    # Two encodings are two representations and need two tags (RFC 9110, 8.8.3.3).
    etag = f'"{page.tag}-gzip"' if zipped else f'"{page.tag}"'
    headers = {"etag": etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if _matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if zipped:
        headers["content-encoding"] = "gzip"
    body = page.zipped if zipped else page.plain
    return Response(body, media_type=page.media_type, headers=headers)


def _accepts_gzip(accepted: str) -> bool:
    for entry in accepted.lower().split(","):
        coding, _, quality = entry.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _matches(condition: str, etag: str) -> bool:
    # Weak comparison (RFC 9110, 13.1.2): a proxy that compresses may have marked the tag as weak.
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return etag in tags or "*" in tags
