"""The head of every kind of answer, as it comes over the wire: pages, API, calls, refusals."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from conftest import ADMIN_KEY
from docs.markdown import ROOT
from doubles.openai_answers import Behaviour
from doubles.openai_upstream import OpenAIDouble
from matrix.examples.accounts import a_picture
from modules.accounts.people import People, sign_in
from pages import test_pages
from pages.test_pages import BROWSER
from paifang.core.settings import CoreSettings
from paifang.modules.accounts.providers.settings import OidcSettings
from paifang.pages import router as pages
from security.audit import cookie_faults, faults
from security.serving import Served, head_of, head_of_bytes, serving

SITE = "https://paifang.example.org"
KEY = {"authorization": f"Bearer {ADMIN_KEY}"}
PLACES: list[str] = json.loads((ROOT / "frontend/src/app/places.json").read_text())
API = "/api/v1"

web = test_pages.web
"""A fixture: a built app, whatever is in the tree."""

pytestmark = [
    pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True),
    pytest.mark.parametrize("https", [True, False], ids=["https", "plain"]),
]


@pytest.fixture
async def served(settings: CoreSettings, https: bool) -> AsyncIterator[Served]:
    oidc = OidcSettings(github_client_id="paifang")  # GitHub is not asked before somebody is back
    changed = replace(
        settings, public_url=SITE if https else "", oidc=oidc, api_body_timeout=0.3, port=0
    )
    async with serving(changed) as found:
        yield found


@pytest.fixture
def check(served: Served, https: bool) -> Any:
    """Asserts an answer's status and its head."""

    def look(answer: httpx.Response, status: int) -> httpx.Response:
        assert answer.status_code == status, (answer.request.url, answer.text[:300])
        wrong = faults(answer.request.url.path, status, head_of(answer), https=https)
        assert wrong == [], answer.request.url
        return answer

    return look


async def test_every_page(served: Served, check: Any, web: Path) -> None:
    client = served.client
    for place in PLACES:
        for path in dict.fromkeys((f"/{place}", f"/{place}/deeper/in" if place else "/")):
            page = check(await client.get(path, headers=BROWSER), 200)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            again = {**BROWSER, "if-none-match": page.headers["etag"]}
            check(await client.get(path, headers=again), 304)
            check(await client.head(path, headers=BROWSER), 200)
    for path in ("/docs", "/redoc", "/openapi.json", "/favicon.ico"):
        check(await client.get(path, headers=BROWSER), 200)
    for folder, where in ((pages.STATIC, "static"), (web / "assets", "assets")):
        for file in folder.iterdir():
            check(await client.get(f"/{where}/{file.name}"), 200)
    check(await client.get("/reference/swagger-ui.css"), 200)
    for path in ("/nowhere", "/docs/nowhere", "/static/nowhere.js", "/assets/gone.js"):
        check(await client.get(path, headers=BROWSER), 404)
        check(await client.get(path), 404)
    check(await client.post("/docs"), 405)
    (web / "index.html").unlink()
    check(await client.get("/", headers=BROWSER), 503)
    check(await client.get("/sign-in", headers=BROWSER), 404)


async def test_health_and_metrics(served: Served, check: Any) -> None:
    for path in ("/livez", "/readyz"):
        check(await served.client.get(path), 200)
        check(await served.client.head(path), 200)
    check(await served.client.get("/metrics"), 401)
    check(await served.client.get("/metrics", headers=KEY), 200)
    served.runtime.draining = True
    check(await served.client.get("/readyz"), 503)


async def test_each_kind_of_answer_of_the_api(
    served: Served, check: Any, https: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = served.client
    groups = f"{API}/gateway/groups"
    check(await client.get(groups, headers=KEY), 200)
    check(await client.post(groups, json={"id": "team"}, headers=KEY), 201)
    check(await client.delete(f"{groups}/team", headers=KEY), 204)
    check(await client.get(groups), 401)
    check(await client.get(groups, headers={"authorization": "Bearer guess"}), 401)
    check(await client.get(f"{groups}/none", headers=KEY), 404)
    check(await client.get(f"{API}/nothing"), 404)
    check(await client.put(groups, headers=KEY), 405)
    check(await client.post(groups, json={"id": "a", "rpm": "b"}, headers=KEY), 422)
    check(await client.post(groups, content=b"{", headers=KEY), 422)
    check(await client.post(groups, content=b" " * 1_100_000, headers=KEY), 413)
    await client.post(groups, json={"id": "twice"}, headers=KEY)
    check(await client.post(groups, json={"id": "twice"}, headers=KEY), 409)
    check(await client.get("/api/groups/", headers=KEY), 200)
    check(await client.get("/api/groups/"), 401)
    check(await client.post(f"{API}/auth/sign-up", json={}), 422)
    check(await client.get(f"{API}/auth/policy"), 200)
    check(await client.get(f"{API}/auth/oidc/none/start"), 404)
    check(await client.get(f"{API}/auth/oidc/github/start"), 303)
    check(await client.get(f"{API}/gateway/logs/export", params=DAYS, headers=KEY), 200)
    check(await client.get(f"{API}/accounts/users/export", headers=KEY), 200)
    for options in ({}, {"access-control-request-method": "PATCH"}):
        asked = {"origin": "https://elsewhere.example", **options}
        check(await client.options(groups, headers=asked), 405)
        check(await client.get(groups, headers={**KEY, **asked}), 200)
    slow = await served.raw(
        b"POST /api/v1/gateway/groups HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %b\r\ncontent-length: 9\r\n\r\n{" % ADMIN_KEY.encode()
    )
    status, head = head_of_bytes(slow)
    assert (status, faults(groups, status, head, https=https)) == (408, [])
    for error, status in ((OperationalError("select", None, OSError()), 503), (ValueError(), 500)):
        with monkeypatch.context() as patch:
            patch.setattr(served.runtime.db, "reading", _failing(error))
            check(await client.get(groups, headers=KEY), status)


DAYS = {"started_from": "2026-01-01T00:00:00Z", "started_to": "2026-01-02T00:00:00Z"}


def _failing(error: Exception) -> Any:
    def fail() -> Any:
        raise error

    return fail


async def test_what_is_somebodys_own_and_the_cookies(
    served: Served, check: Any, https: bool
) -> None:
    people = People(served.runtime)
    await people.make()
    client = served.client
    client.base_url = httpx.URL(f"{client.base_url}/api/v1")
    check(await client.post("/auth/refresh"), 401)
    answer = check(await sign_in(client), 200)
    cookies = answer.headers.get_list("set-cookie")
    prefix = "__Host-" if https else ""
    assert [c.partition("=")[0] for c in cookies] == [f"{prefix}paifang", f"{prefix}paifang-device"]
    away = check(await client.get("/auth/oidc/github/start"), 303)
    assert away.headers["set-cookie"].startswith(f"{prefix}paifang-oidc=")
    policy = check(await client.get("/auth/policy", headers={"host": "paifang.example"}), 200)
    assert policy.json()["insecure"] is not https, "the page warns where anybody can listen"
    picture = check(
        await client.put("/account/avatar", content=a_picture(), headers={"content-type": PNG}), 200
    )
    shown = check(await client.get(picture.json()["avatar"].removeprefix(API)), 200)
    assert shown.headers["content-type"] == "image/webp"
    check(await client.get("/avatars/nobody.webp"), 404)
    check(await client.get("/account/export"), 200)
    check(await client.get("/access/roles"), 403)
    stranger = {"email": "ann@example.org", "password": "wrong"}
    statuses = {(await client.post("/auth/sign-in", json=stranger)).status_code for _ in range(12)}
    refused = await client.post("/auth/sign-in", json=stranger)
    assert 429 in {*statuses, refused.status_code} or 403 in statuses
    check(refused, refused.status_code)
    # A browser would send the cookie back; over this socket it has to be done by hand.
    cookie = cookies[0].partition(";")[0]
    again = check(await client.post("/auth/refresh", headers={"cookie": cookie}), 200)
    cookie = again.headers["set-cookie"].partition(";")[0]
    out = check(await client.post("/auth/sign-out", headers={"cookie": cookie}), 204)
    assert f"{prefix}paifang=" in out.headers["set-cookie"]
    assert "Max-Age=0" in out.headers["set-cookie"]


PNG = "image/png"


async def test_calls_of_models(served: Served, check: Any) -> None:
    client = served.client
    async with OpenAIDouble() as upstream:
        token = await _token(client, upstream.url)
        call = {"authorization": f"Bearer {token}"}
        ask = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
        chat = "/v1/chat/completions"
        for _ in range(3):  # the second and third are recognized by their bytes
            check(await client.post(chat, json=ask, headers=call), 200)
        streamed = check(await client.post(chat, json={**ask, "stream": True}, headers=call), 200)
        assert streamed.text.endswith("data: [DONE]\n\n")
        check(await client.get("/v1/models", headers=call), 200)
        check(await client.get("/v1/models/chat", headers=call), 200)
        check(await client.get("/v1/models/none", headers=call), 404)
        check(await client.get("/v1/models"), 401)
        check(await client.post(chat, json=ask), 401)
        check(await client.post(chat, content=b"{", headers=call), 400)
        check(await client.post(chat, json={**ask, "model": "none"}, headers=call), 404)
        check(await client.post(chat, content=b" " * 300, headers=call), 400)
        check(await client.get(chat, headers=call), 405)
        check(await client.post("/v1/nothing", headers=call), 404)
        upstream.behaviours["chat"] = Behaviour(status=500)
        check(await client.post(chat, json=ask, headers=call), 500)
        check(await client.options(chat, headers={"origin": "https://elsewhere.example"}), 405)


async def _token(client: httpx.AsyncClient, url: str) -> str:
    """The key of a token that may call ``chat``."""
    base = f"{API}/gateway"
    channel = {"name": "double", "provider": "openai", "base_url": url, "models": ["chat"]}
    (await client.post(f"{base}/channels", json=channel, headers=KEY)).raise_for_status()
    (await client.post(f"{base}/groups", json={"id": "team"}, headers=KEY)).raise_for_status()
    body = {"group_id": "team", "name": "calls"}
    made = await client.post(f"{base}/tokens", json=body, headers=KEY)
    key: str = made.raise_for_status().json()["key"]
    return key


async def test_what_is_refused_before_it_is_a_request(served: Served) -> None:
    for data, status in (
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    ):
        found, head = head_of_bytes(await served.raw(data))
        assert found == status
        assert head["x-content-type-options"] == ["nosniff"]
        assert head["content-type"] == ["text/plain; charset=utf-8"]
        assert "server" not in head


def test_the_audit_sees_what_is_wrong(https: bool, database_kind: str) -> None:
    good = "a=b; HttpOnly; Path=/; SameSite=lax"
    if https:
        good = f"__Host-{good}; Secure"
    assert cookie_faults(good, https=https) == []
    for missing in ("HttpOnly", "Path=/", "SameSite=lax", *(("Secure", "__Host-") * https)):
        assert cookie_faults(good.replace(missing, ""), https=https) != [], missing
    assert cookie_faults(f"{good}; Domain=example.org", https=https) != []
    assert cookie_faults(good.replace("lax", "none"), https=https) != []
    assert len(faults("/", 200, {}, https=https)) >= 6
