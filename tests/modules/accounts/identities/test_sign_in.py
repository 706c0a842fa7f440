"""Signing in by another service: who is known comes in, who is new by the rules, nobody by mail."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select, update

from doubles.identity_provider import IdentityProvider, Somebody
from modules.accounts.factors.people import Clock
from modules.accounts.factors.walk import add_totp, code_of
from modules.accounts.identities.travel import finish, follow, link, sign_in, start, travel
from modules.accounts.people import People, code, use
from modules.accounts.people import sign_in as sign_in_by_password
from paifang.core import params
from paifang.core.commands import OPERATOR
from paifang.core.runtime import Runtime
from paifang.modules.accounts.factors.models import Identity
from paifang.modules.accounts.invitations import service as invitations
from paifang.modules.accounts.params import APPROVAL, INVITATION, OPEN, REGISTRATION
from paifang.modules.accounts.sessions.models import Session

Browser = Callable[..., httpx.AsyncClient]


async def registration(runtime: Runtime, rule: str) -> None:
    async with runtime.db.transaction() as session:
        await params.put(session, param=REGISTRATION, value=rule)


async def test_who_is_new_gets_an_account_and_the_next_time_comes_in_again(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    client = browser()
    way = await travel(client, next="/tokens")
    assert way.page == "/sign-in/oidc#sign_in"
    asked = way.asked
    assert asked["redirect_uri"] == "https://paifang.test/api/v1/auth/oidc/company/callback"
    assert asked["code_challenge_method"] == "S256"
    assert set(asked) == {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    }
    arrived = await finish(client, locale="zh-TW")
    assert arrived.status_code == 200, arrived.text
    assert arrived.json()["next"] == "/tokens"
    assert arrived.json()["signed_in"]["user"]["email"] == "ann@example.org"
    cookies = arrived.headers.get_list("set-cookie")
    assert any(c.startswith("__Host-paifang=") and "HttpOnly" in c for c in cookies)
    ann = await people.get("ann@example.org")
    assert ann is not None
    assert (ann.display_name, ann.locale, ann.status) == ("Ann", "zh-TW", "active")
    assert ann.password_hash is None
    assert ann.email_verified_at is not None
    assert code(await finish(client)) == (409, "ceremony_over")

    provider.person = Somebody(email="renamed@example.org", email_verified=False)
    again = await sign_in(browser())
    assert again.json()["signed_in"]["user"]["id"] == str(ann.id), "the subject counts"
    async with runtime.db.reading() as session:
        (identity,) = (await session.scalars(select(Identity))).all()
        assert (identity.issuer, identity.subject) == (provider.issuer, "4711")
        assert (await session.scalars(select(Session.methods))).all() == [["oidc"], ["oidc"]]


async def test_asvs_6_8_1_one_name_at_two_services_is_two_people(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    first = (await sign_in(browser())).json()["signed_in"]["user"]
    bo = await people.make("bo@example.org")
    async with runtime.db.transaction() as session:
        # What another service has told: the same name for another person.
        session.add(
            Identity(
                user_id=bo.id,
                issuer="https://other.example",
                subject="4711",
                provider="other",
                label="x",
            )
        )
    again = (await sign_in(browser())).json()["signed_in"]["user"]
    assert again["id"] == first["id"] != str(bo.id)


async def test_a_mail_address_links_nobody_and_the_refusal_says_how_to_link(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    ann = await people.make()
    client = browser()
    refused = await sign_in(client)
    assert code(refused) == (409, "identity_not_linked")
    assert "The Company" in refused.json()["detail"]
    assert "security page" in refused.json()["detail"]
    assert "set-cookie" not in refused.headers
    provider.person.email = "ANN@example.org"
    assert code(await sign_in(client)) == (409, "identity_not_linked")
    provider.person.email_verified = False
    assert code(await sign_in(client)) == (409, "identity_without_email"), "tells no stranger"

    await sign_in_by_password(client)
    assert (await link(client)).status_code == 201
    entered = await sign_in(browser())
    assert entered.json()["signed_in"]["user"]["id"] == str(ann.id)


@pytest.mark.parametrize("verified", [False, None, "yes", 1, "false"])
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_only_a_verified_address_makes_an_account(
    people: People,
    browser: Browser,
    runtime: Runtime,
    provider: IdentityProvider,
    verified: object,
) -> None:
    await registration(runtime, OPEN)
    provider.person.email_verified = verified
    assert code(await sign_in(browser())) == (409, "identity_without_email")
    assert await people.get("ann@example.org") is None


async def test_signing_up_this_way_obeys_the_rule_who_may_come_in(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, INVITATION)
    assert code(await sign_in(browser())) == (403, "registration_closed")
    assert await people.get("ann@example.org") is None
    await registration(runtime, APPROVAL)
    waiting = await sign_in(browser())
    assert code(waiting) == (403, "awaiting_approval")
    ann = await people.get("ann@example.org")
    assert ann is not None
    assert ann.status == "pending"
    assert code(await sign_in(browser())) == (403, "awaiting_approval")
    await people.change("ann@example.org", status="active")
    assert (await sign_in(browser())).json()["signed_in"]
    await people.change("ann@example.org", status="disabled")
    assert code(await sign_in(browser())) == (403, "account_disabled")


async def test_a_second_factor_is_asked_for_after_another_service_too(
    people: People,
    browser: Browser,
    runtime: Runtime,
    provider: IdentityProvider,
    clock: Clock,
) -> None:
    await registration(runtime, OPEN)
    client = browser()
    await sign_in(client)
    secret, _ = await add_totp(client, clock)
    other = browser()
    arrived = await sign_in(other)
    assert arrived.json()["signed_in"] is None
    factor = arrived.json()["factor"]
    assert factor["factors"] == ["totp", "recovery_code"]
    assert not any(c.startswith("__Host-paifang=") for c in arrived.headers.get_list("set-cookie"))
    body = {"ticket": factor["ticket"], "code": code_of(secret, clock)}
    entered = await other.post("/auth/sign-in/totp", json=body)
    assert entered.status_code == 200
    use(other, entered)
    assert (await other.get("/account/factors")).json()["identities"] == 1


async def test_asvs_14_2_1_nothing_of_the_trip_is_in_an_address_of_ours(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    way = await travel(browser())
    page = urlsplit(way.page)
    assert (page.path, page.query, page.fragment) == ("/sign-in/oidc", "", "sign_in")


async def test_two_tabs_that_begin_at_once_both_arrive(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    client = browser()
    first = await start(client)
    second = await start(client)
    assert (await follow(client, second)).page.endswith("#sign_in")
    assert (await follow(client, first)).page.endswith("#sign_in")
    assert (await finish(client)).status_code == 200


async def test_two_browsers_that_arrive_at_once_make_one_account(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    clients = [browser() for _ in range(3)]
    for client in clients:
        await travel(client)
    answers = await asyncio.gather(*(finish(client) for client in clients))
    statuses = [answer.status_code for answer in answers]
    assert 200 in statuses
    assert set(statuses) <= {200, 409}
    async with runtime.db.reading() as session:
        assert len((await session.scalars(select(Identity))).all()) == 1


async def test_github_tells_a_number_and_a_primary_verified_address(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    client = browser()
    way = await travel(client, "github")
    assert way.authorize.startswith(f"{provider.url}/login/oauth/authorize?")
    assert way.asked["scope"] == "read:user user:email"
    assert way.asked["code_challenge_method"] == "S256"
    arrived = await finish(client)
    assert arrived.json()["signed_in"]["user"]["email"] == "ann@example.org"
    provider.person = Somebody(subject="4711", name="renamed")
    assert (await sign_in(browser(), "github")).json()["signed_in"]
    provider.person = Somebody(subject="4712", email_verified=False, email="eve@example.org")
    refused = await sign_in(browser(), "github")
    assert code(refused) == (409, "identity_without_email"), "another account is another person"


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_secrets_travel_in_the_body_where_a_header_is_not_taken(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    provider.basic = False
    assert (await sign_in(browser())).status_code == 200


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_an_address_is_asked_for_where_the_token_tells_none(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    provider.email_in_token = False
    provider.person.email_verified = "true"
    with provider.broken(userinfo={"sub": "4712"}):
        assert code(await sign_in(browser())) == (503, "provider_unavailable")
    assert (await sign_in(browser())).status_code == 200
    assert provider.count("/userinfo") == 2


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/tokens?a=b#c", "/tokens?a=b#c"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\nb", "/"),
        ("/\t/evil.example", "/"),
        ("/é", "/"),
        ("", "/"),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_end_of_the_trip_is_a_page_of_ours(
    browser: Browser,
    runtime: Runtime,
    provider: IdentityProvider,
    path: str,
    kept: str,
) -> None:
    await registration(runtime, OPEN)
    client = browser()
    await travel(client, next=path)
    assert (await finish(client)).json()["next"] == kept


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_without_a_public_url_the_way_back_is_this_machine_and_never_a_host_header(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    runtime.settings = replace(runtime.settings, public_url="")
    client = browser(scheme="http")
    for host, back in (
        ("localhost:8000", "http://localhost:8000/"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("evil.example", "http://localhost:8000/"),
    ):
        answer = await client.get("/auth/oidc/company/start", headers={"host": host})
        location = httpx.URL(answer.headers["location"])
        assert location.params["redirect_uri"].startswith(back), host


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_an_unknown_provider_is_not_found(browser: Browser) -> None:
    for path in ("/auth/oidc/nobody/start", "/auth/oidc/nobody/callback?state=x"):
        assert code(await browser().get(path)) == (404, "provider_not_found")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_person_whose_account_is_gone_is_new_again(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    await sign_in(browser())
    async with runtime.db.transaction() as session:
        await session.execute(update(Identity).values(subject="4713"))
    assert code(await sign_in(browser())) == (409, "identity_not_linked")


async def test_who_was_invited_comes_in_this_way_too_and_the_invitation_counts_once(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, INVITATION)
    async with runtime.db.transaction() as session:
        _, address = await invitations.create(
            session, runtime=runtime, actor=OPERATOR, email="ann@example.org"
        )
    token = address.partition("#invitation=")[2]
    provider.person = Somebody(subject="1", email="eve@example.org")
    assert code(await sign_in(browser(), invitation=token)) == (404, "invitation_over")
    provider.person = Somebody()
    assert code(await sign_in(browser(), invitation="x" * 43)) == (404, "invitation_over")
    assert (await sign_in(browser(), invitation=token)).json()["signed_in"]
    provider.person = Somebody(subject="1", email="eve@example.org")
    assert code(await sign_in(browser(), invitation=token)) == (404, "invitation_over")


async def test_an_account_that_waits_for_its_mail_is_whose_address_the_service_has_verified(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    """A stranger has asked for an account with Ann's address; nothing of theirs is in it."""
    await registration(runtime, OPEN)
    await people.make(status="pending", password=None, display_name="Stranger")
    await people.change("ann@example.org", email_verified_at=None)
    assert (await sign_in(browser())).json()["signed_in"]
    ann = await people.get("ann@example.org")
    assert ann is not None
    assert (ann.display_name, ann.password_hash, ann.status) == ("Ann", None, "active")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_policy_names_the_providers_and_no_secret(browser: Browser) -> None:
    answer = await browser().get("/auth/policy")
    assert answer.json()["providers"] == [
        {"id": "github", "name": "GitHub"},
        {"id": "company", "name": "The Company"},
    ]
    assert "secret" not in answer.text
    assert answer.json()["passkeys"] is True


async def test_what_a_service_writes_that_can_not_be_kept_is_left_out(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    provider.person = Somebody(name="A\x00n\u202en\n")
    await sign_in(browser())
    ann = await people.get("ann@example.org")
    assert ann is not None
    assert ann.display_name == "Ann"
    provider.person = Somebody(subject="1", email="no address", name="\x00")
    assert code(await sign_in(browser())) == (409, "identity_without_email")
    provider.person = Somebody(subject="2", email="bo@example.org", name="\x00")
    assert (await sign_in(browser())).json()["signed_in"]["user"]["display_name"] == "bo"
    with provider.broken(error="a\x00b\nc"):
        assert code(await sign_in(browser())) == (400, "identity_refused")
