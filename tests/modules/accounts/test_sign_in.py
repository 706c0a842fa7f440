"""Signing in by password: equal work for everybody, delays, challenges, known devices, programs."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from modules.accounts.people import PASSWORD, People, code, sign_in, solve, solved
from paifang.core.audit import AuditEntry
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.accounts.challenges.models import Throttle
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.passwords.hashing import Hasher, hasher_of
from paifang.modules.accounts.settings import AccountsSettings

Browser = Callable[..., httpx.AsyncClient]
WRONG = (401, "wrong_credentials")


async def wait_over(runtime: Runtime) -> None:
    """Let every delay pass."""
    async with runtime.db.transaction() as session:
        await session.execute(update(Throttle).values(until=utc_now() - timedelta(seconds=1)))


async def fail(
    client: httpx.AsyncClient, runtime: Runtime, times: int, email: str = "ann@example.org"
) -> None:
    for _ in range(times):
        answer = await sign_in(client, email, "wrong", challenge=await solved(client))
        assert code(answer) == WRONG
        await wait_over(runtime)


async def test_unknown_people_and_wrong_passwords_get_the_same_answer_for_the_same_work(
    people: People,
    browser: Browser,
    runtime: Runtime,
    query_count: Callable[..., Any],
) -> None:
    await people.make()
    await people.make("new@example.org", password=None)
    client = browser()
    hasher = hasher_of(runtime)
    await sign_in(client, "warm@example.org", "up")
    seen = []
    for email in ("ann@example.org", "nobody@example.org", "new@example.org", "not an address"):
        before = hasher.calls
        with query_count(runtime.db) as queries:
            answer = await sign_in(client, email, "a wrong one")
        body = answer.json()
        body.pop("request_id")
        seen.append((answer.status_code, body, hasher.calls - before, len(queries)))
    assert seen == [seen[0]] * 4
    assert seen[0][0] == 401
    assert seen[0][2] == 1, "one hash each"


async def test_failures_and_sign_ins_are_in_the_audit_trail_without_what_was_typed(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    user = await people.make()
    client = browser()
    await sign_in(client, password="a wrong one")
    await sign_in(client, "nobody@example.org")
    await sign_in(client)
    async with runtime.db.reading() as session:
        found = list(
            await session.scalars(
                select(AuditEntry)
                .where(AuditEntry.action.startswith("accounts."))
                .order_by(AuditEntry.at, AuditEntry.id)
            )
        )
    assert [(entry.action, entry.subject_id == str(user.id)) for entry in found] == [
        ("accounts.sign_in.fail", True),
        ("accounts.sign_in.fail", False),
        ("accounts.session.begin", False),
    ]
    assert all(entry.changes["address"] == "203.0.113.7" for entry in found)
    assert "wrong" not in str([entry.changes for entry in found])


async def test_after_some_failures_a_challenge_is_wanted_and_its_solution_counts_once(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await fail(client, runtime, 3)
    refused = await sign_in(client)
    assert code(refused) == (403, "challenge_required")
    solution = solve(refused.json()["challenge"])
    assert code(await sign_in(client, password="wrong", challenge=solution)) == WRONG
    again = await sign_in(client, challenge=solution)
    assert code(again) == (403, "challenge_required")
    assert "used before" in again.json()["detail"]
    assert (await sign_in(client, challenge=await solved(client))).status_code == 200


async def test_delays_grow_with_each_failure_and_are_over_after_a_success(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await fail(client, runtime, 4)
    waits = []
    for _ in range(4):
        assert code(await sign_in(client, password="no", challenge=await solved(client))) == WRONG
        refused = await sign_in(client, challenge=await solved(client))
        assert code(refused) == (429, "too_many_attempts")
        waits.append(int(refused.headers["retry-after"]))
        await wait_over(runtime)
    assert [abs(wait - wanted) <= 1 for wait, wanted in zip(waits, (1, 2, 4, 8), strict=True)]
    assert waits == sorted(waits)
    assert (await sign_in(client, challenge=await solved(client))).status_code == 200
    fresh = browser()
    assert code(await sign_in(fresh, password="no")) == WRONG, "the count began anew"


async def test_many_tries_at_the_same_moment_are_as_many_as_they_are(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await fail(client, runtime, 9)  # the next delay is half a minute: more than eight tries take
    solutions = [await solved(client) for _ in range(8)]
    answers = await asyncio.gather(
        *(sign_in(client, password="wrong", challenge=solution) for solution in solutions)
    )
    assert sorted(answer.status_code for answer in answers) == [401] + [429] * 7


async def test_a_stranger_who_guesses_does_not_keep_its_person_from_a_known_device(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    home = browser(address="198.51.100.9")
    await sign_in(home)
    await home.post("/auth/sign-out")
    stranger = browser()
    await fail(stranger, runtime, 9)
    assert code(await sign_in(stranger, "ann@example.org", "wrong")) == (403, "challenge_required")
    await sign_in(stranger, "ann@example.org", "wrong", challenge=await solved(stranger))
    elsewhere = browser(address="192.0.2.44")
    waiting = await sign_in(elsewhere)
    assert code(waiting) == (429, "too_many_attempts")
    assert "mail" in waiting.json()["detail"], "it says what works meanwhile"
    assert (await sign_in(home)).status_code == 200, "no delay and no challenge"


async def test_a_known_device_gets_few_tries_and_is_a_stranger_then(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    home = browser()
    await sign_in(home)
    await home.post("/auth/sign-out")
    for _ in range(5):
        assert code(await sign_in(home, password="wrong")) == WRONG
        await wait_over(runtime)
    await fail(browser(address="192.0.2.44"), runtime, 3)
    assert code(await sign_in(home, password="wrong")) == (403, "challenge_required")


async def test_the_device_of_one_person_is_not_known_to_another(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    await people.make("bob@example.org")
    client = browser()
    await sign_in(client, "bob@example.org")
    await fail(browser(address="192.0.2.44"), runtime, 3)
    assert code(await sign_in(client)) == (403, "challenge_required")


async def test_an_address_that_tries_many_accounts_has_to_wait(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    for place in range(20):
        email = f"p{place}@example.org"
        assert code(await sign_in(client, email, "x", challenge=await solved(client))) == WRONG
        if place >= 12:
            await wait_over(runtime)
    assert code(await sign_in(client, "p21@example.org", "x")) == (403, "challenge_required")
    await sign_in(client, "p22@example.org", "x", challenge=await solved(client))
    assert code(await sign_in(client)) == (429, "too_many_attempts")
    assert (await sign_in(browser(address="192.0.2.44"))).status_code == 200


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_whole_block_of_ipv6_counts_as_one_address(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    for place in range(12):
        client = browser(address=f"2001:db8::{place:x}")
        assert code(await sign_in(client, f"p{place}@example.org", "x")) == WRONG
    client = browser(address="2001:db8::ffff")
    assert code(await sign_in(client, "other@example.org")) == (403, "challenge_required")
    assert (await sign_in(browser(address="2001:db8:0:1::1"))).status_code == 200


async def test_a_sign_in_on_a_new_device_is_told_by_mail_but_not_the_first_ever(
    people: People, browser: Browser
) -> None:
    await people.make()
    first, second = browser(), browser(address="192.0.2.44")
    await sign_in(first)
    await sign_in(first)
    assert await people.mails() == []
    await sign_in(second)
    [mail] = await people.mails("ann@example.org")
    assert "192.0.2.44" in mail.text
    assert "Firefox on Linux" in mail.text


async def test_a_hash_of_other_parameters_is_made_anew_at_the_next_sign_in(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    weaker = Hasher(AccountsSettings(argon2_memory_mib=46, argon2_passes=1))
    await people.make(password=None)
    await people.change("ann@example.org", password_hash=await weaker.hash(PASSWORD))
    weaker.close()
    assert (await sign_in(browser())).status_code == 200
    user = await people.get("ann@example.org")
    assert user is not None
    assert user.password_hash is not None
    assert user.password_hash.startswith("$argon2id$v=19$m=12288,t=3,p=1$")
    assert (await sign_in(browser())).status_code == 200


async def test_who_has_a_second_factor_gets_a_ticket_and_no_session(
    people: People, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def methods_of(*_: Any, **__: Any) -> list[str]:
        return ["totp", "recovery_code"]

    monkeypatch.setattr(factors, "methods_of", methods_of)
    await people.make()
    client = browser()
    answer = await sign_in(client)
    assert answer.status_code == 200
    assert answer.json()["factors"] == ["totp", "recovery_code"]
    assert set(answer.json()) == {"ticket", "factors", "set_up"}
    assert not client.cookies
    ticket = answer.json()["ticket"]
    refused = await client.get("/account/sessions", headers={"authorization": f"Bearer {ticket}"})
    assert code(refused) == (401, "session_ended")


async def test_a_program_gets_tokens_in_the_form_of_oauth(people: People, browser: Browser) -> None:
    await people.make()
    program = browser()
    del program.headers["sec-fetch-site"]
    form = {"grant_type": "password", "username": "ann@example.org", "password": PASSWORD}
    answer = await program.post("/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)
    assert not answer.cookies
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await program.get("/account/sessions", headers=bearer)).status_code == 200
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    again = (await program.post("/auth/token", data=form)).json()
    assert again["refresh_token"] != tokens["refresh_token"]
    form["refresh_token"] = again["access_token"]
    refused = await program.post("/auth/token", data=form)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    form = {"grant_type": "password", "username": "ann@example.org", "password": "no"}
    refused = await program.post("/auth/token", data=form)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    refused = await program.post("/auth/token", data={"grant_type": "client_credentials"})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_too_many_passwords_at_once_are_answered_busy(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    hasher_of(runtime)._most = 0
    answer = await sign_in(browser())
    assert code(answer) == (503, "busy")
    assert answer.headers["retry-after"] == "2"
