"""Sessions: refresh tokens that survive lost answers and tabs and kill thieves, ending, cookies."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from modules.accounts.people import People, code, sign_in, use
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.accounts.sessions.models import Session

Browser = Callable[..., httpx.AsyncClient]
COOKIE = "__Host-paifang"


async def age(runtime: Runtime, **values: Any) -> None:
    """Let time pass for every session."""
    async with runtime.db.transaction() as session:
        await session.execute(update(Session).values(**values))


async def rows(runtime: Runtime) -> list[Session]:
    async with runtime.db.reading() as session:
        return list(await session.scalars(select(Session).order_by(Session.created_at)))


def hold(client: httpx.AsyncClient, token: str) -> None:
    client.cookies.clear()
    client.cookies.set(COOKIE, token, domain="paifang.test", path="/")


async def test_signing_in_gives_an_access_token_and_a_cookie(
    people: People, browser: Browser
) -> None:
    user = await people.make()
    client = browser()
    answer = await sign_in(client, "  ANN@Example.org ")
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 600
    assert answer.json()["user"] == {
        "id": str(user.id),
        "email": "ann@example.org",
        "display_name": "Ann",
        "locale": "en",
        "avatar": None,
    }
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(f"{COOKIE}="))
    for part in ("Path=/", "Secure", "HttpOnly", "SameSite=lax", "Max-Age=1209"):
        assert part in cookie
    assert "Domain" not in cookie
    assert cookie.partition("=")[2].partition(";")[0] not in answer.text
    [session] = (await client.get("/account/sessions")).json()
    assert (session["device"], session["current"]) == ("Firefox on Linux", True)
    assert (session["address"], session["methods"]) == ("203.0.113.7", ["password"])


async def test_a_refresh_gives_the_next_token_and_the_session_goes_on(
    people: People, browser: Browser
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    first = client.cookies[COOKIE]
    answer = await client.post("/auth/refresh")
    assert answer.status_code == 200
    use(client, answer)
    assert client.cookies[COOKIE] != first
    assert (await client.get("/account/sessions")).status_code == 200


async def test_fifty_refreshes_at_once_sign_nobody_out(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    token = client.cookies[COOKIE]
    tabs = [browser() for _ in range(50)]
    for tab in tabs:
        hold(tab, token)
    answers = await asyncio.gather(*(tab.post("/auth/refresh") for tab in tabs))
    assert [answer.status_code for answer in answers] == [200] * 50
    assert len({tab.cookies[COOKIE] for tab in tabs}) == 1
    [session] = await rows(runtime)
    assert (session.counter, session.ended_at) == (1, None)
    assert (await tabs[7].post("/auth/refresh")).status_code == 200


async def test_a_client_that_missed_an_answer_goes_on_whenever_it_comes_back(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    missed = client.cookies[COOKIE]
    current = (await client.post("/auth/refresh")).cookies[COOKIE]
    await age(runtime, used_at=utc_now() - timedelta(days=3))
    hold(client, missed)
    answer = await client.post("/auth/refresh")
    assert answer.status_code == 200
    assert answer.cookies[COOKIE] == current, "the current one, and the counter stays"


async def test_an_old_refresh_token_gets_the_current_one_within_the_interval_and_ends_it_after(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client, thief = browser(), browser()
    await sign_in(client)
    stolen = client.cookies[COOKIE]
    for _ in range(3):
        use(client, await client.post("/auth/refresh"))
    hold(thief, stolen)
    assert (await thief.post("/auth/refresh")).cookies[COOKIE] == client.cookies[COOKIE]
    await age(runtime, used_at=utc_now() - timedelta(seconds=11))
    hold(thief, stolen)
    assert code(await thief.post("/auth/refresh")) == (401, "session_ended")
    assert code(await client.post("/auth/refresh")) == (401, "session_ended")
    assert code(await client.get("/account/sessions")) == (401, "session_ended")
    assert [session.ended_reason for session in await rows(runtime)] == ["replayed"]


async def test_a_token_of_a_refresh_that_has_not_been_is_refused_and_ends_nothing(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    await client.post("/auth/refresh")
    ahead = client.cookies[COOKIE]
    await age(runtime, counter=0)
    assert code(await client.post("/auth/refresh")) == (401, "session_ended")
    await age(runtime, counter=1)
    hold(client, ahead)
    assert (await client.post("/auth/refresh")).status_code == 200


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("forged", ["", "x", "AQ" * 30, "é", "A" * 4000])
async def test_what_is_no_refresh_token_is_refused(
    people: People, browser: Browser, forged: str
) -> None:
    client = browser()
    cookie = [(b"cookie", f"{COOKIE}={forged}".encode())]
    assert code(await client.post("/auth/refresh", headers=cookie)) == (401, "session_ended")


async def test_signing_out_ends_the_session_and_takes_the_cookie(
    people: People, browser: Browser
) -> None:
    await people.make()
    client, copy = browser(), browser()
    await sign_in(client)
    hold(copy, client.cookies[COOKIE])
    answer = await client.post("/auth/sign-out")
    assert answer.status_code == 204
    assert COOKIE not in client.cookies
    assert code(await client.get("/account/sessions")) == (401, "session_ended")
    assert code(await copy.post("/auth/refresh")) == (401, "session_ended")
    assert (await client.post("/auth/sign-out")).status_code == 204, "there is nothing to end"


async def test_one_session_is_ended_from_another_and_then_all_others(
    people: People, browser: Browser
) -> None:
    await people.make()
    here, there, further = browser(), browser(), browser()
    for client in (here, there, further):
        await sign_in(client)
    listed = {s["id"]: s for s in (await here.get("/account/sessions")).json()}
    assert len(listed) == 3
    [own] = [s for s in (await there.get("/account/sessions")).json() if s["current"]]
    assert (await here.delete(f"/account/sessions/{own['id']}")).status_code == 204
    assert code(await there.get("/account/sessions")) == (401, "session_ended")
    assert code(await here.delete(f"/account/sessions/{own['id']}")) == (404, "session_not_found")
    assert (await here.delete("/account/sessions")).status_code == 204
    assert code(await further.get("/account/sessions")) == (401, "session_ended")
    assert len((await here.get("/account/sessions")).json()) == 1


async def test_nobody_ends_or_sees_the_sessions_of_somebody_else(
    people: People, browser: Browser
) -> None:
    await people.make()
    await people.make("bob@example.org")
    ann, bob = browser(), browser()
    await sign_in(ann)
    await sign_in(bob, "bob@example.org")
    [hers] = (await ann.get("/account/sessions")).json()
    assert hers["id"] not in {s["id"] for s in (await bob.get("/account/sessions")).json()}
    assert code(await bob.delete(f"/account/sessions/{hers['id']}")) == (404, "session_not_found")
    assert (await ann.get("/account/sessions")).status_code == 200


async def test_a_session_ends_when_it_rests_too_long_or_lives_too_long(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    used = utc_now()
    await age(runtime, used_at=used - timedelta(days=14, seconds=1))
    assert code(await client.get("/account/sessions")) == (401, "session_ended")
    assert code(await client.post("/auth/refresh")) == (401, "session_ended")
    await age(runtime, used_at=used)
    assert (await client.get("/account/sessions")).status_code == 200
    await age(runtime, expires_at=utc_now() - timedelta(seconds=1))
    assert code(await client.get("/account/sessions")) == (401, "session_ended")
    assert code(await client.post("/auth/refresh")) == (401, "session_ended")


async def test_a_disabled_person_is_out_with_the_next_request(
    people: People, browser: Browser
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    await people.change("ann@example.org", status="disabled")
    assert code(await client.get("/account/sessions")) == (401, "session_ended")
    assert code(await client.post("/auth/refresh")) == (401, "session_ended")
    assert code(await sign_in(client)) == (403, "account_disabled")


async def test_a_new_sign_in_takes_the_place_of_the_session_the_browser_had(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    before = client.headers["authorization"]
    await sign_in(client)
    first, second = await rows(runtime)
    assert (first.ended_reason, second.ended_reason) == ("signed_out", None)
    answer = await client.get("/account/sessions", headers={"authorization": before})
    assert code(answer) == (401, "session_ended")


async def test_a_request_of_a_person_is_recognised_in_one_statement(
    people: People, browser: Browser, runtime: Runtime, query_count: Callable[..., Any]
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    await client.get("/account/sessions")
    with query_count(runtime.db) as queries:
        await client.get("/account/sessions")
    assert len(queries) == 2, "who is calling, and the list itself"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "https://evil.test"}, True),
        ({"origin": "null"}, True),
        ({"origin": "http://paifang.test"}, True),
        ({"origin": "https://paifang.test:8443"}, True),
        ({"origin": "https://["}, True),
        ({"origin": "https://paifang.test"}, False),
        ({}, False),
        ({"content-type": "application/x-www-form-urlencoded"}, True),
        ({"content-type": "text/plain"}, True),
        ({"content-type": "application/json; charset=utf-8"}, False),
    ],
)
async def test_no_other_site_uses_the_cookie(
    people: People, browser: Browser, headers: dict[str, str], refused: bool
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    if "sec-fetch-site" not in headers:
        del client.headers["sec-fetch-site"]
    answer = await client.post("/auth/refresh", headers=headers)
    assert (answer.status_code == 403) is refused, answer.text
    assert not refused or answer.json()["code"] == "cross_site"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_plain_http_has_a_weaker_cookie_that_https_does_not_look_at(
    people: People, browser: Browser
) -> None:
    await people.make()
    client = browser(scheme="http")
    answer = await sign_in(client)
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("paifang="))
    assert "HttpOnly" in cookie
    assert "Secure" not in cookie
    assert (await client.post("/auth/refresh")).status_code == 200
    secure = browser()
    secure.cookies.set("paifang", client.cookies["paifang"], domain="paifang.test", path="/")
    assert code(await secure.post("/auth/refresh")) == (401, "session_ended")
