"""The web app and the API reference, as they come over HTTP."""

import gzip
import json
import re
import shlex
import shutil
from collections.abc import AsyncIterator, MutableMapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import httpx
import pytest
from fastapi import FastAPI

from docs.markdown import ROOT
from paifang import __version__
from paifang.api import create_api
from paifang.cli import main
from paifang.core.auth import declared_access
from paifang.core.headers import DEFAULT_CSP, SecurityHeaders
from paifang.core.http import install_error_handlers
from paifang.pages import install_missing_page, pages_router, router

PAGES = ["/", "/docs", "/redoc"]
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(autouse=True)
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built app and API reference, whatever is in the working tree."""
    folder = tmp_path / "web"
    for name in ("reference", "assets"):
        (folder / name).mkdir(parents=True)
    (folder / "reference" / "swagger-ui.css").write_text("/* sheet */")
    (folder / "reference" / "swagger-ui.LICENSE").write_text("licence")
    (folder / "assets" / "index-12345678.js").write_text("export {};")
    shutil.copy(ROOT / "frontend" / "index.html", folder)
    shutil.copy(ROOT / "frontend" / "src" / "app" / "places.json", folder)
    monkeypatch.setattr(router, "WEB", folder)
    monkeypatch.setattr(router, "REFERENCE", folder / "reference")
    return folder


@pytest.fixture
def app() -> SecurityHeaders:
    api = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    api.include_router(pages_router)
    install_error_handlers(api)
    install_missing_page(api)
    return SecurityHeaders(api)


@pytest.fixture
async def client(app: SecurityHeaders) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://paifang.test",
        headers={"accept-encoding": "identity"},
    ) as client:
        yield client


async def get_raw(app: SecurityHeaders, path: str) -> tuple[int, bytes]:
    """Ask for a path just as it is: a client would tidy the dots away."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize(
    "path", [*PAGES, "/account", "/assets/index-12345678.js", "/openapi.json", "/static/shell.js"]
)
async def test_each_answer_has_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers=BROWSER)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
        assert part in policy.split("; ")


async def test_only_redoc_has_a_wider_policy_and_only_for_its_styles_and_its_worker(
    client: httpx.AsyncClient,
) -> None:
    usual = DEFAULT_CSP.decode()
    assert (await client.get("/")).headers["content-security-policy"] == usual
    assert (await client.get("/docs")).headers["content-security-policy"] == usual
    wider = (await client.get("/redoc")).headers["content-security-policy"].split("; ")
    added = [part for part in wider if part not in usual.split("; ")]
    assert [part.split(" ", 1)[0] for part in added] == ["style-src", "worker-src"]


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_has_inline_scripts_or_styles_or_foreign_addresses(
    client: httpx.AsyncClient, path: str
) -> None:
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            values = dict(attrs)
            if tag == "style" or (tag == "script" and not values.get("src")):
                found.append(tag)
            found.extend(name for name in values if name == "style" or name.startswith("on"))
            for name in ("src", "href"):
                address = values.get(name) or "/"
                if not address.startswith(("/", "#")) or address.startswith("//"):
                    found.append(address)

    Reader().feed((await client.get(path)).text)
    assert found == []


async def test_the_app_is_told_the_version(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text
    assert f'name="version" content="{__version__}"' in page
    assert "@version@" not in page


@pytest.mark.parametrize("path", ["/sign-in", "/account/security", "/console/any/thing?x=1"])
async def test_each_address_of_the_app_is_answered_with_the_app(
    client: httpx.AsyncClient, path: str
) -> None:
    home, answer = await client.get("/"), await client.get(path, headers=BROWSER)
    assert (answer.status_code, answer.content) == (200, home.content)
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["vary"] == "accept, accept-encoding"
    again = {**BROWSER, "if-none-match": answer.headers["etag"]}
    assert (await client.get(path, headers=again)).status_code == 304


async def test_files_with_a_hash_in_their_name_are_kept_for_ever(client: httpx.AsyncClient) -> None:
    answer = await client.get("/assets/index-12345678.js")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    missing = await client.get("/assets/index-gone.js", headers=BROWSER)
    assert missing.status_code == 404, "a page in the place of a script would be cached as one"
    assert missing.headers["content-type"] == "application/problem+json"


async def test_an_app_that_is_not_built_says_so(client: httpx.AsyncClient, web: Path) -> None:
    (web / "index.html").unlink()
    answer = await client.get("/")
    assert answer.status_code == 503
    assert "make web" in answer.text
    for path in ("/sign-in", "/nowhere"):
        answer = await client.get(path, headers=BROWSER)
        assert answer.status_code == 404
        assert ">404<" in answer.text


@pytest.mark.parametrize(
    ("path", "current", "links"),
    [
        ("/docs", "/docs", ["/", "/docs", "/redoc"]),
        ("/redoc", "/redoc", ["/", "/docs", "/redoc"]),
        ("/nowhere", None, ["/", "/docs", "/redoc"]),
    ],
)
async def test_every_page_beside_the_app_has_the_bar_and_it_says_where_one_is(
    client: httpx.AsyncClient, web: Path, path: str, current: str | None, links: list[str]
) -> None:
    (web / "index.html").unlink()
    page = (await client.get(path, headers=BROWSER)).text
    assert page.count('<header class="bar">') == 1
    bar = page.partition('<header class="bar">')[2].partition("</header>")[0]
    assert re.findall(r'href="([^"]+)"', bar) == links
    assert re.findall(r'href="([^"]+)" aria-current="page"', bar) == ([current] if current else [])
    assert router.BAR_HERE.strip() not in page


async def test_a_browser_gets_a_page_where_an_address_leads_nowhere(
    client: httpx.AsyncClient,
) -> None:
    for method in ("GET", "HEAD"):
        answer = await client.request(method, "/no/such<place>?x=1", headers=BROWSER)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["vary"] == "accept"
        assert "etag" not in answer.headers
        assert answer.headers["content-security-policy"] == DEFAULT_CSP.decode()
        assert "such" not in answer.text, "nothing of the address is repeated"
    assert (await client.get("/nowhere", headers=BROWSER)).text == (await client.get("/")).text


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nowhere", {"accept": "*/*"}, 404),
        ("GET", "/nowhere", {"accept": "application/json"}, 404),
        ("POST", "/nowhere", BROWSER, 404),
        ("GET", "/api/v1/nowhere", BROWSER, 404),
        ("GET", "/static/nowhere.js", BROWSER, 404),
        ("POST", "/docs", BROWSER, 405),
    ],
)
async def test_everybody_else_gets_a_problem_as_before(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    answer = await client.request(method, path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_api_reference_says_where_models_are_called() -> None:
    description = create_api().openapi()["info"]["description"]
    assert "at `/v1`" in description
    assert (ROOT / "docs/guides/gateway.md").is_file()
    assert "docs/guides/gateway.md" in description


async def test_a_known_version_of_a_file_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    etag = first.headers["etag"]
    for condition in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = await client.get("/", headers={"if-none-match": condition})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    assert (await client.get("/", headers={"if-none-match": '"other"'})).status_code == 200


async def test_a_changed_file_is_sent_in_its_new_form(client: httpx.AsyncClient, web: Path) -> None:
    before = await client.get("/reference/swagger-ui.css")
    (web / "reference" / "swagger-ui.css").write_text("/* another sheet */")
    after = await client.get(
        "/reference/swagger-ui.css", headers={"if-none-match": before.headers["etag"]}
    )
    assert (after.status_code, after.text) == (200, "/* another sheet */")


@pytest.mark.parametrize("path", ["/", "/openapi.json"])
async def test_bodies_are_compressed_for_those_who_accept_it(
    client: httpx.AsyncClient, path: str
) -> None:
    plain = await client.get(path)
    zipped = await client.get(path, headers={"accept-encoding": "br, gzip;q=0.8"})
    refused = await client.get(path, headers={"accept-encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content == refused.content
    assert int(zipped.headers["content-length"]) == len(gzip.compress(plain.content, 6, mtime=0))
    assert zipped.headers["etag"] != plain.headers["etag"]
    assert zipped.headers["vary"] == plain.headers["vary"] == "accept-encoding"


async def test_head_answers_like_get(client: httpx.AsyncClient) -> None:
    head, whole = await client.head("/"), await client.get("/")
    assert head.status_code == 200
    assert head.headers["etag"] == whole.headers["etag"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2frouter.py",
        "/static/../router.py",
        "/static/%2e%2e%2f%2e%2e%2f__init__.py",
        "/static/..%5crouter.py",
        "/static/%00",
        "/static/.",
        "/static/..",
        "/reference/..%2findex.html",
        "/assets/..%2findex.html",
        "/assets/..%2fplaces.json",
        "/reference/%2fetc%2fpasswd",
        "/reference/swagger-ui.LICENSE",
        "/static/absent.js",
    ],
)
async def test_only_the_files_of_the_folder_are_served(app: SecurityHeaders, path: str) -> None:
    status, body = await get_raw(app, path)
    assert status == 404
    assert b"import" not in body


async def test_a_file_of_the_folder_is_served(app: SecurityHeaders) -> None:
    status, body = await get_raw(app, "/static/shell.js")
    assert status == 200
    assert b"import" in body


async def test_without_a_built_reference_its_pages_say_what_to_do(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(router, "REFERENCE", tmp_path / "absent")
    for path in ("/docs", "/redoc"):
        answer = await client.get(path)
        assert answer.status_code == 503
        assert "make web" in answer.json()["detail"]
    assert (await client.get("/openapi.json")).status_code == 200
    assert (await client.get("/reference/swagger-ui.css")).status_code == 404


def test_every_route_declares_that_it_is_public() -> None:
    assert [declared_access(route) for route in pages_router.routes] == [
        [None] for _ in pages_router.routes
    ]


COMMANDS = json.loads(
    (ROOT / "frontend" / "src" / "modules" / "portal" / "commands.json").read_text()
)
"""The commands of ours that the app shows."""


@pytest.mark.parametrize("line", COMMANDS.values())
def test_each_command_that_the_app_shows_exists(line: str) -> None:
    words = shlex.split(line.replace("\\\n", ""))[1:]
    command: click.Command = main
    context = click.Context(command)
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command, context = found, click.Context(found, parent=context)
    if words != ["--help"]:
        command.parse_args(context, words)
