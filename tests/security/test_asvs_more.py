"""The other items of the list: orders of steps, all or nothing, once, and what the server adds.

Together with ``test_asvs_accounts`` each of the 34 has a test here; the last one looks. Where an
item speaks of what is not built yet, its test is of what stands today:

- 2 (no payment before a booking) and 4 (no double booking): there is no shop. The steps are those
  of signing in, what is not to be had twice is a link that was mailed.
- 33 (webhooks): nobody gives us an address to call but administrators, for channels, and services
  that people sign in with; ``core/test_outbound`` has the details of those calls.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from conftest import ADMIN_KEY
from doubles.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider, Somebody
from modules.accounts.identities.travel import sign_in as sign_in_elsewhere
from modules.accounts.jobs import work
from modules.accounts.people import OTHER_PASSWORD, People, code, sign_in, solved
from paifang.core import params
from paifang.core.commands import OPERATOR
from paifang.core.headers import DATA_CSP, DEFAULT_CSP
from paifang.core.outbound import OutboundError, call
from paifang.core.runtime import Runtime
from paifang.core.settings import CoreSettings
from paifang.core.settings.fields import Secret
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.factors.models import Identity
from paifang.modules.accounts.params import REGISTRATION
from paifang.modules.accounts.providers.settings import OidcSettings
from paifang.pages.router import REDOC_CSP
from security.serving import Served, head_of_bytes, serving

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

Browser = Callable[..., httpx.AsyncClient]
SITE = "https://paifang.example.org"
KEY = {"authorization": f"Bearer {ADMIN_KEY}"}
ELSEWHERE = {"origin": "https://elsewhere.example"}


@pytest.fixture
async def served(settings: CoreSettings) -> AsyncIterator[Served]:
    async with serving(replace(settings, public_url=SITE)) as found:
        yield found


async def test_b4_2_no_step_of_a_sign_in_can_be_left_out(people: People, browser: Browser) -> None:
    await people.make()
    client = browser()
    number = "123456"
    for path, body in (
        ("sign-in/totp", {"ticket": "x" * 40, "code": number}),
        ("sign-in/totp/set-up", {"ticket": "x" * 40}),
        ("sign-in/totp/confirm", {"ticket": "x" * 40, "code": number}),
        ("sign-in/recovery-code", {"ticket": "x" * 40, "code": "aaaa-bbbb-cccc"}),
        ("oidc/finish", {}),
        ("password/reset", {"token": "x" * 43, "password": OTHER_PASSWORD}),
        ("refresh", None),
    ):
        answer = await client.post(f"/auth/{path}", json=body)
        assert answer.status_code in {400, 401, 404, 409, 422}, (path, answer.text)
        assert "set-cookie" not in answer.headers or "Max-Age=0" in answer.headers["set-cookie"]
        assert "access_token" not in answer.text, path
    await sign_in(client)
    early = await client.post("/account/totp/confirm", json={"code": number})
    assert early.status_code in {400, 404, 409}, "no app was set up"


async def test_b4_3_what_is_done_to_several_is_done_to_all_or_to_nobody(
    people: People, browser: Browser
) -> None:
    await people.make("boss@example.org", administrator=True)
    somebody = await people.make()
    client = browser()
    await sign_in(client, "boss@example.org")
    body = {"ids": [str(somebody.id), str(uuid4())], "action": "disable"}
    assert code(await client.post("/accounts/users/batch", json=body)) == (404, "user_not_found")
    kept = await people.get("ann@example.org")
    assert kept is not None
    assert kept.status == "active"


async def test_b4_4_what_is_to_be_had_once_is_not_had_twice_at_the_same_moment(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    body = {"email": "ann@example.org", "challenge": await solved(client)}
    await client.post("/auth/password/forgot", json=body)
    await work(runtime)
    found = re.search(r"#token=([\w-]+)", (await people.mails("ann@example.org"))[-1].text)
    assert found
    use = {"token": found[1], "password": OTHER_PASSWORD}
    answers = await asyncio.gather(
        *(client.post("/auth/password/reset", json=use) for _ in range(5))
    )
    assert sorted(a.status_code for a in answers) == [204, 404, 404, 404, 404]


async def test_b4_8_browsers_keep_to_https_for_a_year_with_all_that_is_below(
    served: Served,
) -> None:
    for path in ("/", "/nowhere", "/api/v1/auth/policy", "/metrics", "/livez"):
        header = (await served.client.get(path)).headers["strict-transport-security"]
        found = re.fullmatch(r"max-age=(\d+); includeSubDomains", header)
        assert found is not None, path
        assert int(found[1]) >= 31_536_000, path


async def test_b4_9_no_other_sites_page_may_read_or_send_anything(served: Served) -> None:
    for path in ("/", "/api/v1/auth/policy", "/v1/models", "/openapi.json"):
        for method in ("GET", "OPTIONS"):
            asked = {**ELSEWHERE, **KEY, "access-control-request-method": "POST"}
            answer = await served.client.request(method, path, headers=asked)
            allowed = [name for name in answer.headers if name.startswith("access-control-")]
            assert allowed == [], (method, path)


def test_b4_10_pages_run_what_is_ours_and_data_runs_nothing(database_kind: str) -> None:
    for policy in (DEFAULT_CSP.decode(), REDOC_CSP, DATA_CSP.decode()):
        parts = dict(part.partition(" ")[::2] for part in policy.split("; "))
        assert parts["default-src"] == "'none'", "and with it object-src"
        assert parts["base-uri"] == "'none'"
        assert "unsafe" not in policy
        assert parts.get("script-src", "'none'") in {"'self'", "'none'"}
    assert b"script-src" not in DATA_CSP


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("x-content-type-options", "nosniff", id="b4_11"),
        pytest.param("referrer-policy", "same-origin", id="b4_12"),
    ],
)
async def test_b4_11_and_b4_12_nothing_is_guessed_of_an_answer_nor_told_of_an_address(
    served: Served, name: str, expected: str
) -> None:
    for path in ("/", "/docs", "/nowhere", "/api/v1/auth/policy", "/api/v1/nowhere", "/livez"):
        assert (await served.client.get(path)).headers[name] == expected, path


async def test_b4_13_no_page_stands_in_somebody_elses_frame(served: Served) -> None:
    for path in ("/", "/docs", "/nowhere", "/api/v1/auth/policy", "/livez"):
        policy = (await served.client.get(path)).headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy.split("; "), path


async def test_b4_16_no_request_hides_in_another(served: Served) -> None:
    hidden = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
    post = b"POST /api/v1/auth/refresh HTTP/1.1\r\nhost: x\r\n"
    for lines in (
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"content-length: 0\r\ncontent-length: 40\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding : chunked\r\n",
        b"content-length: +5\r\n",
        b"content-length: 5, 5\r\n",
    ):
        answer = await served.raw(post + lines + b"\r\n0\r\n\r\n" + hidden)
        assert head_of_bytes(answer)[0] == 400, lines
        assert answer.count(b"HTTP/1.1 ") == 1, "the rest of the connection is nobody's request"


async def test_b4_22_a_second_factor_can_be_had_and_can_be_asked_for(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    assert (await client.post("/account/totp")).status_code == 200
    async with runtime.db.transaction() as session:
        await factors.require(session, actor=OPERATOR, rule="everybody")
    asked = (await sign_in(browser())).json()
    assert "access_token" not in asked
    assert asked["set_up"] is True


async def test_b4_25_the_same_name_at_another_service_is_another_person(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    bob = await people.make("bob@example.org")
    async with runtime.db.transaction() as session:
        await params.put(session, param=REGISTRATION, value="open")
        other = {"issuer": "https://other.example", "provider": "other", "label": "x"}
        session.add(Identity(user_id=bob.id, subject=Somebody().subject, **other))
    with IdentityProvider() as provider:
        company = {
            "id": "company",
            "name": "The Company",
            "issuer": provider.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        oidc = OidcSettings(providers=Secret(json.dumps([company])))
        runtime.settings = replace(runtime.settings, public_url="https://paifang.test", oidc=oidc)
        arrived = await sign_in_elsewhere(browser())
    assert arrived.json()["signed_in"]["user"]["id"] != str(bob.id)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.invalid/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://localhost/",
        "file:///etc/passwd",
    ],
)
async def test_b4_33_an_address_that_somebody_gave_leads_to_no_machine_inside(
    url: str, database_kind: str
) -> None:
    with pytest.raises(OutboundError):
        await call("GET", url, trusted=(), seconds=2)


async def test_b4_33_only_who_may_write_channels_says_where_we_call(
    people: People, browser: Browser
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    body = {"name": "inside", "provider": "openai", "base_url": "http://127.0.0.1:1/v1"}
    for path in ("/gateway/channels", "/gateway/channels/preview"):
        assert code(await client.post(path, json=body)) == (403, "forbidden")


def test_each_of_the_34_items_has_a_test(database_kind: str) -> None:
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_asvs_*.py")]
    found = {int(n) for text in texts for n in re.findall(r"(?:def test|and)_b4_(\d+)_", text)}
    assert sorted(set(range(1, 35)) - found) == []
