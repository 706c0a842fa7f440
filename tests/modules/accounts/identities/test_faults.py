"""A provider that is broken or hostile, and answers that come back to the wrong place."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from doubles.identity_provider import CLIENT_ID, IdentityProvider
from modules.accounts.identities.test_sign_in import registration
from modules.accounts.identities.travel import consent, finish, follow, sign_in, start, travel
from modules.accounts.people import People, code
from paifang.core.runtime import Runtime
from paifang.modules.accounts.identities import discovery
from paifang.modules.accounts.identities.trips import directory_of
from paifang.modules.accounts.params import OPEN

Browser = Callable[..., httpx.AsyncClient]
REFUSED = (400, "identity_refused")
AWAY = (503, "provider_unavailable")
OVER = (409, "ceremony_over")

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture(autouse=True)
async def everybody(runtime: Runtime) -> None:
    """Whoever comes may have an account, so that only what is tested keeps them out."""
    await registration(runtime, OPEN)


def in_seconds(seconds: float) -> int:
    return int(time.time() + seconds)


BAD_TOKENS: dict[str, dict[str, Any]] = {
    "another sign-in's nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "a nonce that is no text": {"nonce": 5},
    "somebody else's audience": {"aud": "another-client"},
    "no audience": {"aud": None},
    "one of several audiences without a party": {"aud": [CLIENT_ID, "another"]},
    "given to another party": {"azp": "another-client"},
    "another issuer": {"iss": "https://accounts.google.com"},
    "no issuer": {"iss": None},
    "over": {"exp": 1},
    "without an end": {"exp": None},
    "an end that is no number": {"exp": "9999999999"},
    "an end that is a truth": {"exp": True},
    "of the future": {"iat": 99999999999},
    "not yet": {"nbf": 99999999999},
    "naming nobody": {"sub": ""},
    "without a subject": {"sub": None},
    "a subject that is no text": {"sub": 4711},
    "a subject with a NUL": {"sub": "a\x00b"},
    "an endless subject": {"sub": "x" * 256},
    "unsigned": {"alg": "none"},
    "signed with our public key as a secret": {"alg": "HS256"},
    "signed with another key": {"swapped": True},
    "a key that is not there": {"kid": "unknown"},
    "another kind of token": {"typ": "at+jwt"},
    "a logout token": {"typ": "logout+jwt"},
}


@pytest.mark.parametrize("fault", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_asvs_9_1_1_to_9_2_4_an_id_token_that_is_not_right_is_refused(
    people: People, browser: Browser, provider: IdentityProvider, fault: dict[str, Any]
) -> None:
    with provider.broken(**fault):
        assert code(await sign_in(browser())) == REFUSED
    assert await people.get("ann@example.org") is None
    assert (await sign_in(browser())).status_code == 200, "the double is sound without it"


@pytest.mark.parametrize(
    "fault",
    [{"aud": [CLIENT_ID]}, {"azp": CLIENT_ID, "aud": [CLIENT_ID, "x"]}, {"typ": "jwt"}],
    ids=str,
)
async def test_what_is_unusual_and_right_is_taken(
    browser: Browser, provider: IdentityProvider, fault: dict[str, Any]
) -> None:
    with provider.broken(**fault):
        assert (await sign_in(browser())).status_code == 200


async def test_clocks_may_differ_by_a_minute(browser: Browser, provider: IdentityProvider) -> None:
    with provider.broken(exp=in_seconds(-30), iat=in_seconds(30)):
        assert (await sign_in(browser())).status_code == 200
    with provider.broken(exp=in_seconds(-90)):
        assert code(await sign_in(browser())) == REFUSED


async def test_signatures_of_elliptic_curves_are_taken(
    browser: Browser, provider: IdentityProvider
) -> None:
    provider.kind = "ES256"
    provider.rotate()
    assert (await sign_in(browser())).status_code == 200


async def test_a_new_key_is_looked_for_and_not_by_every_stranger_s_wish(
    browser: Browser, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await sign_in(browser())).status_code == 200
    assert (await sign_in(browser())).status_code == 200
    assert (provider.count("/jwks"), provider.count("/.well-known/openid-configuration")) == (1, 1)
    provider.rotate()
    assert code(await sign_in(browser())) == REFUSED, "asked a moment ago"
    monkeypatch.setattr(discovery, "ASKED_AGAIN", 0.0)
    assert (await sign_in(browser())).status_code == 200
    assert provider.count("/jwks") == 2
    monkeypatch.setattr(discovery, "ASKED_AGAIN", 30.0)
    with provider.broken(kid="stranger"):
        for _ in range(3):
            assert code(await sign_in(browser())) == REFUSED
    assert provider.count("/jwks") == 2


async def test_an_old_key_is_forgotten(
    browser: Browser, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await sign_in(browser())).status_code == 200
    old = provider.keys
    provider.rotate()
    monkeypatch.setattr(discovery, "REMEMBERED", -1.0)
    assert (await sign_in(browser())).status_code == 200
    provider.keys, new = old, provider.keys
    # It still signs with the old one, and tells of the new one alone.
    monkeypatch.setattr(provider, "_jwks", lambda *_: (200, {}, {"keys": [new[0].as_dict()]}))
    assert code(await sign_in(browser())) == REFUSED


@pytest.mark.parametrize("iss", [None, "https://evil.example", ""])
async def test_rfc_9207_an_answer_of_a_mixed_up_issuer_is_refused_before_its_code_is_sent(
    browser: Browser, provider: IdentityProvider, iss: str | None
) -> None:
    with provider.broken(iss_parameter=iss):
        assert code(await sign_in(browser())) == REFUSED
    assert provider.count("/token") == 0


async def test_a_code_of_one_provider_is_not_taken_at_anothers_address(
    browser: Browser, provider: IdentityProvider
) -> None:
    client = browser()
    callback = (await consent(await start(client))).replace("/company/", "/github/")
    back = await client.get(f"https://paifang.test{callback}")
    assert back.headers["location"] == "/sign-in/oidc#over"
    assert code(await finish(client)) == OVER
    assert provider.count("/token") == provider.count("/login/oauth/access_token") == 0


async def test_an_answer_comes_back_to_the_browser_that_asked_and_to_no_other(
    people: People, browser: Browser, provider: IdentityProvider
) -> None:
    attacker, victim = browser(), browser()
    callback = await consent(await start(attacker))
    back = await victim.get(f"https://paifang.test{callback}")
    assert back.headers["location"] == "/sign-in/oidc#over"
    assert code(await finish(victim)) == OVER
    assert code(await finish(attacker)) == OVER
    await start(victim)  # with a cookie of its own, for a trip of its own
    callback = await consent(await start(attacker))
    await victim.get(f"https://paifang.test{callback}")
    assert code(await finish(victim)) == OVER
    assert provider.count("/token") == 0


async def test_a_state_counts_once_and_nothing_else_does(
    browser: Browser, provider: IdentityProvider
) -> None:
    client = browser()
    way = await travel(client)
    assert (await finish(client)).status_code == 200
    again = await client.get(f"https://paifang.test{way.callback}")
    assert again.headers["location"] == "/sign-in/oidc#over"
    for state in ("", "x", "x" * 4096, "%00"):
        back = await client.get(f"/auth/oidc/company/callback?code=x&state={state}")
        assert back.headers["location"] == "/sign-in/oidc#over"
    assert provider.count("/token") == 1


async def test_a_state_expires(browser: Browser, provider: IdentityProvider, clock: Any) -> None:
    client = browser()
    url = await start(client)
    clock.step(11 * 60)
    assert (await follow(client, url)).page == "/sign-in/oidc#over"


async def test_what_came_back_waits_two_minutes_for_the_page(
    browser: Browser, provider: IdentityProvider, clock: Any
) -> None:
    client = browser()
    await travel(client)
    clock.step(121)
    assert code(await finish(client)) == OVER


async def test_who_says_no_there_is_told_so(browser: Browser, provider: IdentityProvider) -> None:
    with provider.broken(error="access_denied"):
        refused = await sign_in(browser())
        assert code(refused) == REFUSED
        assert "did not allow" in refused.json()["detail"]
    with provider.broken(error="<script>" * 50):
        refused = await sign_in(browser())
        assert "script" not in refused.text


@pytest.mark.parametrize(
    "fault",
    [
        {"status": {"/token": 500}},
        {"body": {"/token": b"<html>"}},
        {"body": {"/token": b"[]"}},
        {"body": {"/token": b"x" * 1_100_000}},
        {"location": {"/token": "http://169.254.169.254/latest/meta-data"}},
        {"id_token": False},
        {"status": {"/jwks": 404}},
        {"body": {"/jwks": b"{}"}},
    ],
    ids=lambda fault: str(fault)[:60],
)
async def test_a_provider_that_does_not_answer_as_it_should(
    browser: Browser, provider: IdentityProvider, fault: dict[str, Any]
) -> None:
    with provider.broken(**fault):
        assert code(await sign_in(browser())) == AWAY


async def test_a_provider_that_is_slow_is_not_waited_for(
    browser: Browser, provider: IdentityProvider, runtime: Runtime
) -> None:
    client = browser()
    url = await start(client)
    directory_of(runtime).seconds = 0.5
    with provider.broken(slow={"/token": 20.0}):
        before = time.monotonic()
        await follow(client, url)
        assert code(await finish(client)) == AWAY
        assert time.monotonic() - before < 15
    runtime.parts.clear()
    directory_of(runtime).seconds = 0.5
    with provider.broken(slow={"/.well-known/openid-configuration": 20.0}):
        assert code(await browser().get("/auth/oidc/company/start")) == AWAY


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": None},
        {"jwks_uri": "ftp://127.0.0.1/"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"userinfo_endpoint": ["x"]},
    ],
    ids=str,
)
async def test_a_document_that_can_not_be_right_is_refused(
    browser: Browser, provider: IdentityProvider, document: dict[str, Any]
) -> None:
    with provider.broken(document=document):
        assert code(await browser().get("/auth/oidc/company/start")) == AWAY


async def test_asvs_15_3_2_an_endpoint_elsewhere_is_not_called_where_nobody_should(
    browser: Browser, provider: IdentityProvider
) -> None:
    """The document names another host, by https; it is not at a public address."""
    for host in ("10.0.0.5", "[::1]", "169.254.169.254", "192.168.1.1"):
        provider.faults = {"document": {"token_endpoint": f"https://{host}/token"}}
        client = browser()
        await travel(client)
        assert code(await finish(client)) == AWAY


async def test_github_s_refusals_and_nonsense_are_refused(
    browser: Browser, provider: IdentityProvider
) -> None:
    with provider.broken(body={"/login/oauth/access_token": b'{"error": "bad_code"}'}):
        assert code(await sign_in(browser(), "github")) == REFUSED
    for path, body in (
        ("/api/v3/user", b'{"login": "ann"}'),
        ("/api/v3/user", b'{"id": true}'),
        ("/api/v3/user", b"[]"),
        ("/login/oauth/access_token", b"{}"),
        ("/login/oauth/access_token", b'{"access_token": "a\\nb"}'),
    ):
        with provider.broken(body={path: body}):
            assert code(await sign_in(browser(), "github")) == AWAY
    with provider.broken(body={"/api/v3/user/emails": b'[1, {"primary": true}, "x"]'}):
        refused = await sign_in(browser(), "github")
        assert code(refused) == (409, "identity_without_email")
    with provider.broken(iss_parameter="https://evil.example"):
        assert (await sign_in(browser(), "github")).status_code == 200, "it names itself never"
