"""The second step of signing in, by app, recovery code and passkey, as a browser sees it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from doubles.authenticator import Authenticator
from modules.accounts.factors.people import Clock
from modules.accounts.factors.walk import (
    SITE,
    Browser,
    add_passkey,
    add_totp,
    answer,
    code_of,
    ticket_of,
)
from modules.accounts.people import People, code, sign_in, use
from paifang.core.audit import AuditEntry
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.accounts.challenges.models import Throttle
from paifang.modules.accounts.sessions.models import Session


@pytest.fixture(autouse=True)
def public(runtime: Runtime) -> None:
    """Passkeys want a name and https."""
    runtime.settings = replace(runtime.settings, public_url=SITE)


async def test_asvs_6_3_3_an_app_is_set_up_and_every_sign_in_asks_for_a_code(
    people: People, browser: Browser, clock: Clock, runtime: Runtime
) -> None:
    ann = await people.make()
    client = browser()
    await sign_in(client)
    secret, codes = await add_totp(client, clock)
    assert codes is not None
    assert len(codes) == 10
    overview = (await client.get("/account/factors")).json()
    assert overview["methods"] == ["totp", "recovery_code"]
    assert overview["recovery_codes_left"] == 10
    assert overview["totp_since"] is not None
    (mail,) = await people.mails("ann@example.org")
    assert "authenticator app" in mail.text

    other = browser()
    first = await sign_in(other)
    assert first.json()["factors"] == ["totp", "recovery_code"]
    assert first.json()["set_up"] is False
    assert "set-cookie" not in first.headers, "no session before the second factor"
    ticket = first.json()["ticket"]
    wrong = await other.post("/auth/sign-in/totp", json={"ticket": ticket, "code": "000000"})
    assert code(wrong) == (400, "wrong_code")
    typed = code_of(secret, clock)
    right = await other.post("/auth/sign-in/totp", json={"ticket": ticket, "code": typed})
    assert right.status_code == 200
    use(other, right)
    assert (await other.get("/account/factors")).status_code == 200
    again = await browser().post("/auth/sign-in/totp", json={"ticket": ticket, "code": typed})
    assert code(again) == (400, "wrong_code"), "the code has been used"
    async with runtime.db.reading() as session:
        methods = (await session.scalars(select(Session.methods))).all()
        assert ["password", "totp"] in methods
        failures = await session.scalars(
            select(AuditEntry.subject_id).where(AuditEntry.action == "accounts.factor.fail")
        )
        assert set(failures) == {str(ann.id)}


async def test_a_ticket_is_ours_and_young_and_lets_nobody_in_by_itself(
    people: People, browser: Browser, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    secret, _ = await add_totp(client, clock)
    ticket = await ticket_of(client)
    head, body, signature = ticket.split(".")
    for forged in (f"{head}.{body}.{'A' * len(signature)}", "x" * 40, f"{head}.{body}."):
        refused = await client.post(
            "/auth/sign-in/totp", json={"ticket": forged, "code": code_of(secret, clock)}
        )
        assert code(refused) == (401, "ticket_over")
    bearer = {"authorization": f"Bearer {ticket}"}
    assert (await client.get("/account/factors", headers=bearer)).status_code == 401
    import time  # noqa: PLC0415 - the real one, for a later one

    later = time.time() + 301
    monkeypatch.setattr("paifang.modules.accounts.entry.tickets.time.time", lambda: later)
    old = await client.post(
        "/auth/sign-in/totp", json={"ticket": ticket, "code": code_of(secret, clock)}
    )
    assert code(old) == (401, "ticket_over")


async def test_asvs_6_3_1_codes_can_not_be_guessed(
    people: People, browser: Browser, clock: Clock, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    secret, _ = await add_totp(client, clock)
    ticket = await ticket_of(client)

    async def guess(number: int) -> int:
        body = {"ticket": ticket, "code": f"{number:06}"}
        answered = await client.post("/auth/sign-in/totp", json=body)
        if answered.status_code == 429:
            assert int(answered.headers["retry-after"]) >= 1
        return answered.status_code

    assert [await guess(n) for n in range(5)] == [400] * 5
    assert await guess(5) == 429
    typed = code_of(secret, clock)
    body = {"ticket": ticket, "code": typed}
    held = await client.post("/auth/sign-in/totp", json=body)
    assert code(held) == (429, "too_many_attempts"), "the right one waits, too"
    async with runtime.db.transaction() as session:
        await session.execute(update(Throttle).values(until=utc_now() - timedelta(seconds=1)))
    assert (await client.post("/auth/sign-in/totp", json=body)).status_code == 200
    ticket = await ticket_of(client)
    assert await guess(0) == 400, "who was right begins anew"


async def test_guesses_at_the_same_moment_are_all_counted(
    people: People, browser: Browser, clock: Clock
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    await add_totp(client, clock)
    ticket = await ticket_of(client)
    answers = await asyncio.gather(
        *(
            client.post("/auth/sign-in/totp", json={"ticket": ticket, "code": f"{n:06}"})
            for n in range(12)
        )
    )
    assert sum(a.status_code == 400 for a in answers) <= 5
    assert {a.status_code for a in answers} <= {400, 429}


async def test_asvs_6_5_1_a_recovery_code_signs_in_once_and_its_person_is_told(
    people: People, browser: Browser, clock: Clock
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    _, codes = await add_totp(client, clock)
    assert codes is not None
    body = {"ticket": await ticket_of(client), "code": codes[0].upper().replace("-", " ")}
    entered = await client.post("/auth/sign-in/recovery-code", json=body)
    assert entered.status_code == 200, entered.text
    use(client, entered)
    assert (await client.get("/account/factors")).json()["recovery_codes_left"] == 9
    mails = await people.mails("ann@example.org")
    assert "recovery code was used" in mails[-1].text
    body["ticket"] = await ticket_of(client)
    again = await client.post("/auth/sign-in/recovery-code", json=body)
    assert code(again) == (400, "wrong_recovery_code")
    use(client, entered)
    renewed = await client.post("/account/recovery-codes")
    assert renewed.status_code == 201
    assert not set(renewed.json()["recovery_codes"]) & set(codes)


async def test_a_passkey_signs_in_alone_and_is_two_factors(
    people: People, browser: Browser, clock: Clock, runtime: Runtime
) -> None:
    ann = await people.make()
    client = browser()
    await sign_in(client)
    device = Authenticator(SITE)
    made = await add_passkey(client, device)
    assert len(made["recovery_codes"]) == 10
    await add_totp(client, clock)
    stranger = browser()
    body = await answer(stranger, "/auth/passkeys/options", device)
    entered = await stranger.post("/auth/passkeys/sign-in", json=body)
    assert entered.status_code == 200, entered.text
    assert entered.json()["user"]["email"] == "ann@example.org"
    assert "__Host-paifang=" in entered.headers["set-cookie"]
    replayed = await stranger.post("/auth/passkeys/sign-in", json=body)
    assert code(replayed) == (409, "ceremony_over")
    async with runtime.db.reading() as session:
        latest = await session.scalar(
            select(Session.methods)
            .where(Session.user_id == ann.id)
            .order_by(Session.created_at.desc())
        )
        assert latest == ["passkey"]


async def test_a_passkey_is_the_second_step_after_a_password(
    people: People, browser: Browser, clock: Clock
) -> None:
    await people.make()
    await people.make("bo@example.org")
    hers, his = Authenticator(SITE), Authenticator(SITE)
    for email, device in (("ann@example.org", hers), ("bo@example.org", his)):
        own = browser()
        await sign_in(own, email)
        await add_passkey(own, device)
    client = browser()
    ticket = await ticket_of(client)
    bos = await ticket_of(client, "bo@example.org")
    body = await answer(client, "/auth/sign-in/passkey/options", hers, ticket=ticket)
    mixed = await client.post("/auth/sign-in/passkey", json={**body, "ticket": bos})
    assert code(mixed) == (409, "ceremony_over"), "asked of one, answered for another"
    entered = await client.post("/auth/sign-in/passkey", json=body)
    assert entered.status_code == 200, entered.text
    alone = await answer(client, "/auth/passkeys/options", hers)
    other = await client.post("/auth/sign-in/passkey", json={**alone, "ticket": ticket})
    assert code(other) == (409, "ceremony_over"), "asked for one thing, used for another"


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_disabled_person_gets_in_by_no_factor(
    people: People, browser: Browser, clock: Clock
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    device = Authenticator(SITE)
    await add_passkey(client, device)
    secret, _ = await add_totp(client, clock)
    ticket = await ticket_of(client)
    await people.change("ann@example.org", status="disabled")
    body = await answer(client, "/auth/passkeys/options", device)
    refused = await client.post("/auth/passkeys/sign-in", json=body)
    assert code(refused) == (403, "account_disabled")
    refused = await client.post(
        "/auth/sign-in/totp", json={"ticket": ticket, "code": code_of(secret, clock)}
    )
    assert code(refused) == (403, "account_disabled")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_nobody_touches_anothers_passkeys(people: People, browser: Browser) -> None:
    await people.make()
    await people.make("bo@example.org")
    ann, bo = browser(), browser()
    await sign_in(ann)
    await sign_in(bo, "bo@example.org")
    made = await add_passkey(ann, Authenticator(SITE))
    path = f"/account/passkeys/{made['passkey']['id']}"
    assert code(await bo.patch(path, json={"name": "Mine"})) == (404, "passkey_not_found")
    assert code(await bo.delete(path)) == (404, "passkey_not_found")
    assert (await bo.get("/account/passkeys")).json() == []
    assert (await ann.patch(path, json={"name": "Laptop"})).json()["name"] == "Laptop"
    assert [p["name"] for p in (await ann.get("/account/passkeys")).json()] == ["Laptop"]
    assert (await ann.delete(path)).status_code == 204
    assert UUID(made["passkey"]["id"])


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_on_plain_http_passkeys_say_what_is_needed(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    runtime.settings = replace(runtime.settings, public_url="http://paifang.lan")
    await people.make()
    client = browser(scheme="http")
    refused = await client.post("/auth/passkeys/options")
    assert code(refused) == (409, "passkeys_unavailable")
    assert "https" in refused.json()["detail"]
    await sign_in(client)
    assert code(await client.post("/account/passkeys/options")) == (409, "passkeys_unavailable")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_another_site_can_not_use_these_routes(people: People, browser: Browser) -> None:
    client = browser()
    client.headers["sec-fetch-site"] = "cross-site"
    for path in (
        "/auth/sign-in/totp",
        "/auth/sign-in/totp/set-up",
        "/auth/sign-in/totp/confirm",
        "/auth/sign-in/recovery-code",
        "/auth/passkeys/options",
        "/auth/passkeys/sign-in",
        "/auth/sign-in/passkey/options",
        "/auth/sign-in/passkey",
        "/auth/sign-in/passkey/set-up",
        "/auth/sign-in/passkey/confirm",
        "/auth/oidc/finish",
    ):
        assert code(await client.post(path, json={})) == (403, "cross_site"), path
