"""Signing up: same answer and same work, confirming by mail, invitations, approval, the set-up."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from conftest import ADMIN_KEY
from modules.accounts.jobs import work
from modules.accounts.people import PASSWORD, People, code, sign_in, solved, use
from paifang.core import params
from paifang.core.outbox import Outbox
from paifang.core.runtime import Runtime
from paifang.modules.access.roles.models import Role
from paifang.modules.accounts.links.models import MailLink
from paifang.modules.accounts.params import REGISTRATION
from paifang.modules.accounts.passwords.hashing import hasher_of
from paifang.modules.accounts.sign_up import setup

Browser = Callable[..., httpx.AsyncClient]
ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}


async def register(runtime: Runtime, how: str) -> None:
    async with runtime.db.transaction() as session:
        await params.put(session, param=REGISTRATION, value=how)


async def sign_up(
    client: httpx.AsyncClient, email: str = "zoe@example.org", **more: Any
) -> httpx.Response:
    body = {
        "email": email,
        "password": PASSWORD,
        "display_name": "Zoe",
        "locale": "zh-TW",
        "challenge": await solved(client),
        **more,
    }
    return await client.post("/auth/sign-up", json=body)


async def token_of(people: People, to: str, page: str = "verify") -> str:
    """The token in the last mail to somebody."""
    mail = (await people.mails(to))[-1]
    found = re.search(rf"/{page}#\w+=([\w-]+)", mail.text)
    assert found, mail.text
    return found[1]


async def make_old(runtime: Runtime, **by: float) -> None:
    async with runtime.db.transaction() as session:
        links = list(await session.scalars(select(MailLink)))
        for link in links:
            link.expires_at -= timedelta(**by)


async def test_signing_up_confirming_and_being_in(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await register(runtime, "open")
    client = browser()
    answer = await sign_up(client, "Zoe@Example.ORG")
    assert (answer.status_code, answer.json()) == (202, {"next": "mail"})
    await work(runtime)
    pending = await people.get("zoe@example.org")
    assert pending is not None
    assert (pending.status, pending.email_verified_at, pending.password_hash) == (
        "pending",
        None,
        None,
    )
    assert code(await sign_in(client, "zoe@example.org")) == (401, "wrong_credentials")
    token = await token_of(people, "zoe@example.org")
    answer = await client.post("/auth/verify", json={"token": token})
    assert answer.status_code == 200, answer.text
    use(client, answer)
    user = answer.json()["user"]
    assert (user["email"], user["display_name"], user["locale"]) == (
        "zoe@example.org",
        "Zoe",
        "zh-TW",
    )
    [session] = (await client.get("/account/sessions")).json()
    assert session["methods"] == ["mail"]
    assert code(await client.post("/auth/verify", json={"token": token})) == (404, "link_over")
    assert (await sign_in(browser(), "zoe@example.org")).status_code == 200
    async with runtime.db.reading() as db:
        stored = [link.data for link in await db.scalars(select(MailLink))]
    assert "argon2id" not in str(stored), "the hash is where it belongs"


async def test_an_address_that_has_an_account_gets_the_same_answer_for_the_same_work_and_a_mail(
    people: People,
    browser: Browser,
    runtime: Runtime,
    query_count: Callable[..., Any],
) -> None:
    await register(runtime, "open")
    await people.make()
    client = browser()
    await sign_up(client, "warm@example.org")
    await work(runtime)
    hasher = hasher_of(runtime)
    seen = []
    for email in ("ann@example.org", "new@example.org", "warm@example.org"):
        calls = hasher.calls
        solution = await solved(client)
        with query_count(runtime.db) as queries:
            answer = await sign_up(client, email, challenge=solution)
        async with runtime.db.reading() as db:
            asked = [entry.job for entry in await db.scalars(select(Outbox))]
        await work(runtime)
        seen.append(
            (
                answer.status_code,
                answer.json(),
                hasher.calls - calls,
                len(queries),
                asked.count("accounts.answer_sign_up"),
            )
        )
    assert seen == [seen[0]] * 3
    assert seen[0][2] == 1
    [told] = await people.mails("ann@example.org")
    assert told.template == "account_exists"
    assert [m.template for m in await people.mails("warm@example.org")] == ["verify_email"] * 2


async def test_nobody_prepares_an_account_for_the_address_of_somebody_else(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await register(runtime, "open")
    thief, owner = browser(address="192.0.2.44"), browser()
    await sign_up(thief, password="the thief's own long words")
    await work(runtime)
    await sign_up(owner)
    await work(runtime)
    answer = await owner.post(
        "/auth/verify", json={"token": await token_of(people, "zoe@example.org")}
    )
    assert answer.status_code == 200
    refused = await sign_in(thief, "zoe@example.org", "the thief's own long words")
    assert code(refused) == (401, "wrong_credentials")
    assert (await sign_in(browser(), "zoe@example.org")).status_code == 200


async def test_the_mail_comes_again_when_it_is_asked_for_and_to_nobody_else(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await register(runtime, "open")
    await people.make()
    client = browser()
    await sign_up(client)
    await work(runtime)
    first = await token_of(people, "zoe@example.org")
    await make_old(runtime, days=2)
    assert code(await client.post("/auth/verify", json={"token": first})) == (404, "link_over")
    for email in ("zoe@example.org", "ann@example.org", "nobody@example.org"):
        answer = await client.post(
            "/auth/verify/resend", json={"email": email, "challenge": await solved(client)}
        )
        assert (answer.status_code, answer.json()) == (202, {"next": "mail"})
    await work(runtime)
    assert len(await people.mails()) == 2
    token = await token_of(people, "zoe@example.org")
    assert token != first
    assert (await client.post("/auth/verify", json={"token": token})).status_code == 200


async def test_signing_up_wants_a_proof_of_work_a_good_password_and_real_values(
    browser: Browser, runtime: Runtime
) -> None:
    await register(runtime, "open")
    client = browser()
    assert code(await sign_up(client, challenge=None)) == (403, "challenge_required")
    assert code(await sign_up(client, challenge="AAAA")) == (403, "challenge_required")
    for password in ("too short", "passwordpassword1", "zoe@example.org", "a" * 20):
        assert code(await sign_up(client, password=password)) == (422, "weak_password")
    for wrong in (
        {"email": "zoe"},
        {"email": "a@b@c.org"},
        {"display_name": "\u202e"},
        {"locale": "fr"},
        {"roles": ["administrator"]},
        {"status": "active"},
    ):
        answer = await sign_up(client, **wrong)
        assert code(answer) == (422, "invalid"), wrong
        assert PASSWORD not in answer.text


async def test_by_invitation_only_who_is_invited_comes_in(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    client = browser()
    assert (await client.get("/auth/policy")).json()["registration"] == "invitation"
    assert code(await sign_up(client)) == (403, "registration_closed")
    assert code(await sign_up(client, invitation="x" * 43)) == (404, "invitation_over")


async def test_who_was_invited_by_mail_is_in_at_once_with_what_was_chosen(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    async with runtime.db.transaction() as session:
        role = Role(code="helper", name="Helper")
        session.add(role)
    client = browser()
    made = await client.post(
        "/accounts/invitations",
        json={"email": "zoe@example.org", "role_ids": [str(role.id)], "group_ids": ["team"]},
        headers=ADMIN,
    )
    assert made.status_code == 201, made.text
    [mail] = await people.mails("zoe@example.org")
    assert mail.template == "invitation"
    token = await token_of(people, "zoe@example.org", "sign-up")
    assert made.json()["link"].endswith(token)
    other = await sign_up(client, "other@example.org", invitation=token)
    assert code(other) == (404, "invitation_over")
    answer = await sign_up(client, invitation=token)
    assert answer.status_code == 200, answer.text
    use(client, answer)
    assert code(await sign_up(browser(), invitation=token)) == (404, "invitation_over")
    [row] = (await client.get("/accounts/users", headers=ADMIN)).json()["items"]
    assert (row["status"], [r["code"] for r in row["roles"]]) == ("active", ["helper"])
    [kept] = (await client.get("/accounts/invitations", headers=ADMIN)).json()["items"]
    assert (kept["user_id"], kept["group_ids"]) == (row["id"], ["team"])
    assert kept["used_at"] is not None


async def test_an_open_invitation_is_for_one_person_who_confirms_their_address(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    client = browser()
    made = await client.post("/accounts/invitations", json={"note": "at the fair"}, headers=ADMIN)
    token = made.json()["link"].partition("#invitation=")[2]
    for email in ("zoe@example.org", "yan@example.org"):
        assert (await sign_up(client, email, invitation=token)).status_code == 202
    await work(runtime)
    first = await token_of(people, "zoe@example.org")
    second = await token_of(people, "yan@example.org")
    assert (await client.post("/auth/verify", json={"token": first})).status_code == 200
    refused = await browser().post("/auth/verify", json={"token": second})
    assert code(refused) == (404, "invitation_over")
    user = await people.get("yan@example.org")
    assert user is not None
    assert user.status == "pending"


async def test_an_invitation_that_was_taken_back_or_is_old_lets_nobody_in(
    browser: Browser, runtime: Runtime
) -> None:
    client = browser()
    made = (await client.post("/accounts/invitations", json={}, headers=ADMIN)).json()
    token = made["link"].partition("#invitation=")[2]
    path = f"/accounts/invitations/{made['invitation']['id']}"
    assert (await client.delete(path, headers=ADMIN)).status_code == 204
    assert code(await client.delete(path, headers=ADMIN)) == (404, "invitation_not_found")
    assert code(await sign_up(client, invitation=token)) == (404, "invitation_over")


async def test_by_approval_an_administrator_is_told_and_lets_people_in(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await register(runtime, "approval")
    await people.make("boss@example.org", administrator=True)
    client, boss = browser(), browser()
    await sign_in(boss, "boss@example.org")
    await sign_up(client)
    await work(runtime)
    [waiting] = (await boss.get("/accounts/users?status=pending")).json()["items"]
    refused = await boss.post(f"/accounts/users/{waiting['id']}/approve")
    assert code(refused) == (409, "not_awaiting"), "the address is not confirmed"
    token = await token_of(people, "zoe@example.org")
    answer = await client.post("/auth/verify", json={"token": token})
    assert (answer.status_code, answer.json()) == (202, {"next": "approval"})
    assert not client.cookies
    assert code(await sign_in(client, "zoe@example.org")) == (403, "awaiting_approval")
    [asked] = await people.mails("boss@example.org")
    assert asked.template == "approval_needed"
    assert (await boss.post(f"/accounts/users/{waiting['id']}/approve")).status_code == 204
    assert (await people.mails("zoe@example.org"))[-1].template == "approved"
    assert (await sign_in(client, "zoe@example.org")).status_code == 200


async def test_who_asked_while_it_was_open_waits_when_it_is_not_any_more(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await register(runtime, "open")
    client = browser()
    await sign_up(client)
    await work(runtime)
    await register(runtime, "invitation")
    token = await token_of(people, "zoe@example.org")
    assert (await client.post("/auth/verify", json={"token": token})).status_code == 202


async def link(runtime: Runtime) -> str:
    async with runtime.db.transaction() as session:
        made = await setup.make_link(session, runtime=runtime)
    return made.partition("#token=")[2]


def first(token: str, email: str = "owner@example.org") -> dict[str, str]:
    return {"token": token, "email": email, "password": PASSWORD, "display_name": "Owner"}


async def test_the_set_up_link_makes_the_first_administrator_and_no_second_one(
    browser: Browser, runtime: Runtime
) -> None:
    client = browser()
    assert (await client.get("/auth/policy")).json()["setup"] is True
    old, token = await link(runtime), await link(runtime)
    assert code(await client.post("/auth/setup", json=first(old))) == (404, "link_over")
    weak = {**first(token), "password": "short"}
    assert code(await client.post("/auth/setup", json=weak)) == (422, "weak_password")
    answer = await client.post("/auth/setup", json=first(token))
    assert answer.status_code == 200, answer.text
    use(client, answer)
    assert (await client.get("/accounts/users")).json()["total"] == 1
    assert (await client.get("/gateway/groups")).status_code == 200, "they may do everything"
    assert (await client.get("/auth/policy")).json()["setup"] is False
    assert code(await browser().post("/auth/setup", json=first(token))) == (404, "link_over")
    with pytest.raises(Exception, match="set up already"):
        await link(runtime)


async def test_two_who_use_the_set_up_link_at_once_are_one_administrator(
    browser: Browser, runtime: Runtime
) -> None:
    token = await link(runtime)
    answers = await asyncio.gather(
        *(
            browser().post("/auth/setup", json=first(token, f"o{place}@example.org"))
            for place in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]


async def test_a_set_up_link_is_over_after_half_an_hour(browser: Browser, runtime: Runtime) -> None:
    token = await link(runtime)
    await make_old(runtime, minutes=31)
    assert code(await browser().post("/auth/setup", json=first(token))) == (404, "link_over")


async def test_one_address_asks_for_so_many_mails_and_no_more(
    browser: Browser, runtime: Runtime
) -> None:
    client = browser()
    for place in range(20):
        answer = await client.post(
            "/auth/password/forgot",
            json={"email": f"p{place}@example.org", "challenge": await solved(client)},
        )
        assert answer.status_code == 202
    body = {"email": "x@example.org", "challenge": await solved(client)}
    answer = await client.post("/auth/password/forgot", json=body)
    assert code(answer) == (429, "too_many_attempts")
    assert (
        await browser(address="192.0.2.1").post(
            "/auth/password/forgot",
            json={"email": "x@example.org", "challenge": await solved(client)},
        )
    ).status_code == 202


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("address", "insecure", "passkeys"),
    [
        ("https://paifang.test", False, False),  # without PAIFANG_PUBLIC_URL
        ("http://paifang.test", True, False),
        ("http://192.168.1.20:8000", True, False),
        ("http://localhost:8000", False, True),
        ("http://127.0.0.1:8000", False, False),
        ("https://192.168.1.20", False, False),
    ],
)
async def test_the_policy_says_what_the_address_is_good_for(
    browser: Browser, address: str, insecure: bool, passkeys: bool
) -> None:
    client = browser()
    client.base_url = httpx.URL(f"{address}/api/v1")
    found = (await client.get("/auth/policy")).json()
    assert (found["insecure"], found["passkeys"]) == (insecure, passkeys)
    assert (found["challenge"], found["password_length"], found["mail"]) == (True, 15, False)
