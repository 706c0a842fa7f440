"""Forgotten and changed passwords, changed addresses, and what each of them ends."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from modules.accounts.jobs import work
from modules.accounts.people import OTHER_PASSWORD, PASSWORD, People, code, sign_in, solved
from paifang.core.db import utc_now
from paifang.core.ids import uuid7
from paifang.core.outbox import Outbox
from paifang.core.runtime import Runtime
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.links.models import MailLink
from paifang.modules.accounts.passwords.hashing import hasher_of
from paifang.modules.accounts.sessions.models import Session

Browser = Callable[..., httpx.AsyncClient]


async def forget(client: httpx.AsyncClient, email: str = "ann@example.org") -> httpx.Response:
    body = {"email": email, "challenge": await solved(client)}
    return await client.post("/auth/password/forgot", json=body)


async def token_in(people: People, to: str, page: str) -> str:
    mail = (await people.mails(to))[-1]
    found = re.search(rf"/{page}#token=([\w-]+)", mail.text)
    assert found, mail.text
    return found[1]


async def forgotten(people: People, client: httpx.AsyncClient, runtime: Runtime) -> str:
    """The token of a link that sets a password."""
    assert (await forget(client)).status_code == 202
    await work(runtime)
    return await token_in(people, "ann@example.org", "reset-password")


async def reset(
    client: httpx.AsyncClient, token: str, password: str = OTHER_PASSWORD, **more: Any
) -> httpx.Response:
    body = {"token": token, "password": password, **more}
    return await client.post("/auth/password/reset", json=body)


async def long_ago(runtime: Runtime) -> None:
    async with runtime.db.transaction() as session:
        then = utc_now() - timedelta(minutes=11)
        await session.execute(update(Session).values(authenticated_at=then))


async def test_a_forgotten_password_is_set_by_a_link_that_works_once(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client, elsewhere = browser(), browser()
    await sign_in(elsewhere)
    token = await forgotten(people, client, runtime)
    assert code(await reset(client, token, "short")) == (422, "weak_password")
    assert (await reset(client, token)).status_code == 204
    assert "__Host-paifang" not in client.cookies, "it signs nobody in"
    assert code(await reset(client, token)) == (404, "link_over")
    assert code(await elsewhere.get("/account/sessions")) == (401, "session_ended")
    assert code(await sign_in(client)) == (401, "wrong_credentials")
    assert (await sign_in(client, password=OTHER_PASSWORD)).status_code == 200
    assert [m.template for m in await people.mails()] == ["reset_password", "password_changed"]


async def test_asking_for_a_link_is_the_same_for_everybody(
    people: People, browser: Browser, runtime: Runtime, query_count: Callable[..., Any]
) -> None:
    await people.make()
    await people.make("off@example.org", status="disabled")
    client = browser()
    await forget(client, "warm@example.org")
    await work(runtime)
    seen = []
    for email in ("ann@example.org", "nobody@example.org", "off@example.org", "no address"):
        calls = hasher_of(runtime).calls
        solution = await solved(client)
        with query_count(runtime.db) as queries:
            answer = await client.post(
                "/auth/password/forgot", json={"email": email, "challenge": solution}
            )
        async with runtime.db.reading() as session:
            outbox = list(await session.scalars(select(Outbox)))
        asked = [entry.job for entry in outbox if entry.job.startswith("accounts.")]
        await work(runtime)
        hashed = hasher_of(runtime).calls - calls
        seen.append((answer.status_code, answer.content, len(queries), hashed, asked))
    assert seen == [seen[0]] * 4
    assert [m.to for m in await people.mails()] == ["ann@example.org"]
    async with runtime.db.reading() as session:
        left = [link.email for link in await session.scalars(select(MailLink))]
    assert left == ["ann@example.org"], "of nobody nothing is kept"


async def test_a_link_is_over_after_half_an_hour_and_when_password_or_address_change(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    token = await forgotten(people, client, runtime)
    async with runtime.db.transaction() as session:
        [link] = await session.scalars(select(MailLink))
        assert timedelta(minutes=29) < link.expires_at - utc_now() <= timedelta(minutes=30)
        assert token not in str(vars(link)), "the token itself is not kept"
        link.expires_at = utc_now()
    assert code(await reset(client, token)) == (404, "link_over")

    first = await forgotten(people, client, runtime)
    second = await forgotten(people, client, runtime)
    assert (await reset(client, second)).status_code == 204
    assert code(await reset(client, first, PASSWORD)) == (404, "link_over")

    third = await forgotten(people, client, runtime)
    await people.change("ann@example.org", email="anna@example.org")
    assert code(await reset(client, third, PASSWORD)) == (404, "link_over")


async def test_a_link_is_good_for_nothing_else(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    token = await forgotten(people, client, runtime)
    for path in ("/auth/verify", "/auth/email/confirm", "/auth/email/keep"):
        assert code(await client.post(path, json={"token": token})) == (404, "link_over")
    body = {"token": token, "email": "x@example.org", "password": PASSWORD, "display_name": "X"}
    assert code(await client.post("/auth/setup", json=body)) == (404, "link_over")
    assert (await reset(client, token)).status_code == 204


async def test_a_new_password_does_not_do_without_the_second_factor(
    people: People, browser: Browser, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def methods_of(*_: Any, **__: Any) -> list[str]:
        return ["totp"]

    monkeypatch.setattr(factors, "methods_of", methods_of)
    await people.make()
    client = browser()
    await reset(client, await forgotten(people, client, runtime))
    answer = await sign_in(client, password=OTHER_PASSWORD)
    assert answer.json()["factors"] == ["totp"]


async def test_sessions_stay_when_that_is_wanted(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client, elsewhere = browser(), browser()
    await sign_in(elsewhere)
    await reset(client, await forgotten(people, client, runtime), sign_out=False)
    assert (await elsewhere.get("/account/sessions")).status_code == 200


async def test_the_link_makes_the_device_known_so_that_a_stranger_can_not_keep_one_out(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    stranger, owner = browser(address="192.0.2.66"), browser()
    token = await forgotten(people, owner, runtime)
    await reset(owner, token)
    for _ in range(4):
        body = {"challenge": await solved(stranger)}
        await sign_in(stranger, password="guess", **body)
    assert code(await sign_in(browser())) == (403, "challenge_required")
    assert (await sign_in(owner, password=OTHER_PASSWORD)).status_code == 200


async def test_a_password_is_changed_with_the_present_one_and_other_sessions_end(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client, elsewhere = browser(), browser()
    await sign_in(client)
    await sign_in(elsewhere)
    await long_ago(runtime)
    path = "/account/password"
    body = {"password": OTHER_PASSWORD}
    assert code(await client.post(path, json=body)) == (403, "reauthentication_required")
    wrong = {**body, "current": "not it"}
    assert code(await client.post(path, json=wrong)) == (403, "wrong_password")
    weak = {"password": "ann@example.org ann", "current": PASSWORD}
    assert code(await client.post(path, json=weak)) == (422, "weak_password")
    assert (await client.post(path, json={**body, "current": PASSWORD})).status_code == 204
    assert (await client.get("/account/sessions")).status_code == 200
    assert code(await elsewhere.get("/account/sessions")) == (401, "session_ended")
    assert (await sign_in(browser(), password=OTHER_PASSWORD)).status_code == 200


async def test_the_present_password_is_not_guessed_from_a_session(
    people: People, browser: Browser
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    for _ in range(5):
        body = {"password": OTHER_PASSWORD, "current": "guess"}
        assert code(await client.post("/account/password", json=body)) == (403, "wrong_password")
    body = {"password": OTHER_PASSWORD, "current": PASSWORD}
    refused = await client.post("/account/password", json=body)
    assert code(refused) == (429, "too_many_attempts")


async def change_email(
    client: httpx.AsyncClient, runtime: Runtime, email: str = "anna@example.org"
) -> None:
    assert (await client.post("/account/email", json={"email": email})).status_code == 202
    await work(runtime)


async def test_an_address_is_changed_when_the_new_one_confirms_and_the_old_one_is_told(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    await change_email(client, runtime, "Anna@Example.org")
    assert (await people.get("ann@example.org")) is not None, "nothing has changed yet"
    token = await token_in(people, "anna@example.org", "confirm-email")
    [told] = await people.mails("ann@example.org")
    assert told.template == "email_change_notice"
    assert "anna@example.org" in told.text
    answer = await browser().post("/auth/email/confirm", json={"token": token})
    assert answer.status_code == 204
    assert (await sign_in(browser(), "anna@example.org")).status_code == 200
    assert code(await sign_in(browser(), "ann@example.org")) == (401, "wrong_credentials")


async def test_the_old_address_takes_the_change_back_and_every_session_ends(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    thief = browser()
    await sign_in(thief)
    await change_email(thief, runtime, "thief@example.org")
    taken = await token_in(people, "thief@example.org", "confirm-email")
    await thief.post("/auth/email/confirm", json={"token": taken})
    token = await token_in(people, "ann@example.org", "keep-email")
    answer = await browser().post("/auth/email/keep", json={"token": token})
    assert answer.status_code == 204
    assert code(await thief.get("/account/sessions")) == (401, "session_ended")
    await work(runtime)
    owner = browser()
    fresh = await token_in(people, "ann@example.org", "reset-password")
    assert (await reset(owner, fresh)).status_code == 204
    assert (await sign_in(owner, password=OTHER_PASSWORD)).status_code == 200


async def test_an_address_that_has_an_account_is_told_to_its_reader_alone(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    await people.make("bob@example.org")
    client = browser()
    await sign_in(client)
    await change_email(client, runtime, "bob@example.org")
    assert [m.template for m in await people.mails("bob@example.org")] == ["account_exists"]


async def test_an_address_that_was_taken_meanwhile_is_not_taken_twice(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    await change_email(client, runtime)
    await people.make("anna@example.org")
    token = await token_in(people, "anna@example.org", "confirm-email")
    refused = await client.post("/auth/email/confirm", json={"token": token})
    assert code(refused) == (409, "email_taken")


async def test_changing_the_address_asks_for_a_recent_proof(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    await long_ago(runtime)
    refused = await client.post("/account/email", json={"email": "anna@example.org"})
    assert code(refused) == (403, "reauthentication_required")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_key_has_no_password_to_change(browser: Browser, runtime: Runtime) -> None:
    key = runtime.settings.admin_key.get_secret_value()
    client = browser()
    client.headers["authorization"] = f"Bearer {key}"
    body = {"password": OTHER_PASSWORD, "current": PASSWORD}
    assert code(await client.post("/account/password", json=body)) == (409, "no_person")
    other = {"email": "anna@example.org"}
    assert code(await client.post("/account/email", json=other)) == (409, "no_person")
    nobodys = f"/account/sessions/{uuid7()}"
    assert code(await client.delete(nobodys)) == (409, "no_person")
    assert code(await client.get("/account")) == (409, "no_person")
