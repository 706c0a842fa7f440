"""Linking accounts at other services, taking links away, and proving oneself by them."""

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from doubles.identity_provider import IdentityProvider, Somebody
from modules.accounts.identities.test_sign_in import registration
from modules.accounts.identities.travel import consent, follow, link, sign_in
from modules.accounts.people import People, code
from modules.accounts.people import sign_in as sign_in_by_password
from paifang.core.audit import AuditEntry
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.accounts.params import OPEN
from paifang.modules.accounts.sessions.models import Session

Browser = Callable[..., httpx.AsyncClient]


async def wait(runtime: Runtime) -> None:
    async with runtime.db.transaction() as session:
        long_ago = utc_now() - timedelta(minutes=11)
        await session.execute(update(Session).values(authenticated_at=long_ago))


async def test_a_person_links_an_account_signs_in_with_it_and_takes_it_away(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    ann = await people.make()
    client = browser()
    await sign_in_by_password(client)
    provider.person = Somebody(email="private@example.org")
    linked = await link(client)
    assert linked.status_code == 201, linked.text
    assert linked.json()["label"] == "private@example.org"
    assert linked.json()["provider"] == "company"
    assert code(await link(client)) == (409, "identity_taken")
    entered = await sign_in(browser())
    assert entered.json()["signed_in"]["user"]["id"] == str(ann.id)
    (listed,) = (await client.get("/account/identities")).json()
    assert (await client.delete(f"/account/identities/{listed['id']}")).status_code == 204
    assert code(await sign_in(browser())) == (403, "registration_closed")
    texts = [mail.text for mail in await people.mails("ann@example.org")]
    assert any("was linked" in text for text in texts)
    assert any("was unlinked" in text for text in texts)
    async with runtime.db.reading() as session:
        actions = (
            await session.scalars(
                select(AuditEntry.action).where(AuditEntry.action.like("accounts.identity.%"))
            )
        ).all()
        assert sorted(actions) == ["accounts.identity.link", "accounts.identity.unlink"]


async def test_linking_wants_a_recent_proof_and_an_account_that_nobody_has(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await people.make()
    await people.make("bo@example.org")
    ann, bo = browser(), browser()
    await sign_in_by_password(ann)
    await sign_in_by_password(bo, "bo@example.org")
    await wait(runtime)
    assert code(await link(ann)) == (403, "reauthentication_required")
    assert (await ann.get("/account/identities")).json() == []
    ann, bo = browser(), browser()
    await sign_in_by_password(ann)
    await sign_in_by_password(bo, "bo@example.org")
    assert (await link(ann)).status_code == 201
    assert code(await link(bo)) == (409, "identity_taken")
    (listed,) = (await ann.get("/account/identities")).json()
    path = f"/account/identities/{listed['id']}"
    assert code(await bo.delete(path)) == (404, "identity_not_found")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_nobody_links_what_anothers_session_has_begun(
    people: People, browser: Browser, provider: IdentityProvider
) -> None:
    await people.make()
    await people.make("bo@example.org")
    shared, victim = browser(), browser()
    await sign_in_by_password(shared)
    begun = await shared.post("/account/identities/company/start", json={"purpose": "link"})
    url = begun.json()["url"]
    # The victim is brought to the attacker's trip.
    await sign_in_by_password(victim, "bo@example.org")
    await victim.get(f"https://paifang.test{await consent(url)}")
    assert code(await victim.post("/account/identities")) == (409, "ceremony_over")
    # The browser's next person ends what the one before began.
    begun = await shared.post("/account/identities/company/start", json={"purpose": "link"})
    await follow(shared, begun.json()["url"])
    await sign_in_by_password(shared, "bo@example.org")
    assert code(await shared.post("/account/identities")) == (400, "identity_refused")
    assert code(await shared.post("/auth/oidc/finish", json={})) == (409, "ceremony_over")


async def test_the_last_way_in_is_not_taken_away(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    client = browser()
    await sign_in(client)
    (listed,) = (await client.get("/account/identities")).json()
    path = f"/account/identities/{listed['id']}"
    assert code(await client.delete(path)) == (409, "last_way_in")
    provider.person = Somebody(subject="4712")
    assert (await link(client)).status_code == 201
    assert (await client.delete(path)).status_code == 204
    assert len((await client.get("/account/identities")).json()) == 1


async def test_who_has_no_other_proof_proves_it_by_a_linked_account(
    people: People, browser: Browser, runtime: Runtime, provider: IdentityProvider
) -> None:
    await registration(runtime, OPEN)
    client = browser()
    await sign_in(client)
    await wait(runtime)

    async def prove() -> httpx.Response:
        begun = await client.post(
            "/account/identities/company/start", json={"purpose": "reauthenticate"}
        )
        way = await follow(client, begun.json()["url"])
        assert way.page == "/sign-in/oidc#reauthenticate"
        assert (way.asked["prompt"], way.asked["max_age"]) == ("login", "0")
        return await client.post("/account/reauthenticate", json={"identity": True})

    assert code(await client.post("/account/reauthenticate", json={"identity": True})) == (
        409,
        "ceremony_over",
    )
    provider.person = Somebody(subject="4712", email="eve@example.org")
    assert code(await prove()) == (400, "identity_refused"), "another account"
    provider.person = Somebody()
    with provider.broken(auth_time=1):
        assert code(await prove()) == (400, "identity_refused"), "was not asked again"
    assert code(await client.post("/account/totp")) == (403, "reauthentication_required")
    assert (await prove()).status_code == 200
    assert (await client.post("/account/totp")).status_code == 200
