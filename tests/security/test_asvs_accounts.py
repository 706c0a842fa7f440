"""What the OWASP ASVS 5.0 asks of accounts, one test for each item of our list, by its number.

Each is short and looks at the whole: the details have tests of their own beside the features.
"""

import logging
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from modules.accounts.jobs import work
from modules.accounts.people import (
    OTHER_PASSWORD,
    PASSWORD,
    People,
    code,
    sign_in,
    solved,
    use,
)
from modules.accounts.test_tokens import CLAIMS, forged
from paifang.app import Application
from paifang.core import params
from paifang.core.audit import AuditEntry
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.links.models import MailLink
from paifang.modules.accounts.params import REGISTRATION
from paifang.modules.accounts.passwords.hashing import Hasher
from paifang.modules.accounts.sessions.models import Session
from paifang.modules.accounts.settings import AccountsSettings
from paifang.protocol import ForwardedHeaders

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)

Browser = Callable[..., httpx.AsyncClient]
ENDED = (401, "session_ended")
SIGN_UP = {"email": "zoe@example.org", "password": PASSWORD, "display_name": "Zoe"}


async def signed_in(people: People, browser: Browser, **more: Any) -> httpx.AsyncClient:
    if await people.get("ann@example.org") is None:
        await people.make()
    client = browser(**more)
    assert (await sign_in(client)).status_code == 200
    return client


async def age(runtime: Runtime, **values: Any) -> None:
    async with runtime.db.transaction() as session:
        await session.execute(update(Session).values(**values))


async def linked(people: People, client: httpx.AsyncClient, runtime: Runtime) -> str:
    """The token of a link that sets a password."""
    body = {"email": "ann@example.org", "challenge": await solved(client)}
    await client.post("/auth/password/forgot", json=body)
    await work(runtime)
    found = re.search(r"#token=([\w-]+)", (await people.mails("ann@example.org"))[-1].text)
    assert found
    return found[1]


@pytest.fixture
async def whole(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """The whole application with its middleware, behind a proxy's headers."""
    app = ForwardedHeaders(Application(runtime), "10.0.0.1")
    transport = httpx.ASGITransport(app, client=("198.51.100.3", 1))
    async with httpx.AsyncClient(
        transport=transport, base_url="https://paifang.test/api/v1"
    ) as client:
        yield client


async def test_b4_1_the_server_repeats_every_rule_of_the_pages(
    browser: Browser, runtime: Runtime
) -> None:
    async with runtime.db.transaction() as session:
        await params.put(session, param=REGISTRATION, value="open")
    client = browser()
    for wrong in ({"email": "x"}, {"display_name": ""}, {"locale": "xx"}, {"password": "short"}):
        body = {**SIGN_UP, **wrong, "challenge": await solved(client)}
        assert (await client.post("/auth/sign-up", json=body)).status_code == 422, wrong


async def test_b4_5_machines_have_to_work_before_they_sign_up(browser: Browser) -> None:
    client = browser()
    for path, body in (
        ("sign-up", SIGN_UP),
        ("password/forgot", {"email": "a@example.org"}),
        ("verify/resend", {"email": "a@example.org"}),
    ):
        refused = await client.post(f"/auth/{path}", json=body)
        assert code(refused) == (403, "challenge_required"), path
        assert refused.json()["challenge"]["algorithm"] == "SHA-256"


async def test_b4_6_cookies_are_secure_and_of_this_host_alone(
    people: People, browser: Browser
) -> None:
    await people.make()
    answer = await sign_in(browser())
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert cookie.startswith("__Host-paifang")
        assert {"Secure", "Path=/"} <= set(cookie.split("; "))
        assert "domain" not in cookie.lower()


async def test_b4_7_cookies_are_for_no_script_and_no_other_site_and_in_no_body(
    people: People, browser: Browser
) -> None:
    await people.make()
    client = browser()
    answer = await sign_in(client)
    for cookie in answer.headers.get_list("set-cookie"):
        assert {"HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
    again = await client.post("/auth/refresh")
    for token in client.cookies.values():
        assert token not in answer.text
        assert token not in again.text


async def test_b4_14_what_changes_something_by_cookie_comes_from_our_own_pages(
    people: People, browser: Browser
) -> None:
    client = await signed_in(people, browser)
    for path in ("refresh", "sign-out", "sign-in", "sign-up", "verify", "setup", "password/reset"):
        answer = await client.post(
            f"/auth/{path}", json={}, headers={"sec-fetch-site": "cross-site"}
        )
        assert answer.status_code in {403, 422}, path
        assert (await client.get(f"/auth/{path}")).status_code == 405, "no read changes anything"
    form = await client.post("/auth/refresh", data={"a": "b"})
    assert code(form) == (403, "cross_site")
    assert (await client.get("/account")).status_code == 200


async def test_b4_15_nobody_says_where_they_come_from(
    people: People, runtime: Runtime, whole: httpx.AsyncClient
) -> None:
    await people.make()
    headers = {"x-forwarded-for": "8.8.8.8", "x-real-ip": "8.8.4.4", "forwarded": "for=8.8.1.1"}
    body = {"email": "ann@example.org", "password": PASSWORD}
    assert (await whole.post("/auth/sign-in", json=body, headers=headers)).status_code == 200
    async with runtime.db.reading() as session:
        assert await session.scalar(select(Session.address)) == "198.51.100.3"


async def test_b4_17_an_upload_is_bounded_and_is_what_it_is_sent_as(
    people: People, whole: httpx.AsyncClient
) -> None:
    await people.make()
    use(whole, await sign_in(whole))
    png = {"content-type": "image/png"}
    large = await whole.put("/account/avatar", content=b"x" * 2_100_000, headers=png)
    assert code(large) == (413, "request_too_large")
    html = await whole.put("/account/avatar", content=b"<html>", headers=png)
    assert code(html) == (422, "bad_picture")


async def test_b4_18_no_name_of_a_file_is_an_uploaders(people: People, browser: Browser) -> None:
    client = await signed_in(people, browser)
    headers = {
        "content-type": "image/png",
        "content-disposition": 'attachment; filename="../../x.html"',
    }
    await client.put("/account/avatar?name=x.html", content=b"", headers=headers)
    for name in ("../secret.key", "..%2fsecret.key", "%2e%2e/x.webp", "x/../y.webp"):
        assert (await client.get(f"/avatars/{name}")).status_code in {404, 422}


async def test_b4_19_passwords_are_long_of_any_character_and_not_common(
    people: People, browser: Browser
) -> None:
    client = await signed_in(people, browser)

    async def answer(password: str) -> int:
        return (await client.post("/account/password", json={"password": password})).status_code

    for weak in ("14 characters!", "passwordpassword", "123456789012345", "ann@example.org 1"):
        assert await answer(weak) == 422, weak
    for good in ("七隻安靜的鷺鷥站在舊木橋上面等雨", "a lantern over the river " * 5, PASSWORD):
        assert await answer(good) == 204, good
    assert (await sign_in(browser(), password=PASSWORD.upper())).status_code == 401


async def test_b4_20_guessing_is_slowed_and_shuts_nobody_out(
    people: People, browser: Browser
) -> None:
    client = await signed_in(people, browser, address="198.51.100.9")
    await client.post("/auth/sign-out")
    stranger = browser()
    statuses = set()
    for _ in range(8):
        challenge = await solved(stranger)
        answer = await sign_in(stranger, password="guess", challenge=challenge)
        statuses.add(answer.status_code)
    assert 429 in statuses
    assert (await sign_in(client)).status_code == 200


async def test_b4_21_there_is_no_account_before_somebody_makes_one(
    people: People, browser: Browser
) -> None:
    client = browser()
    for name in ("admin", "root", "administrator", "admin@localhost"):
        for password in ("admin", "password", "changeme", "paifang"):
            challenge = await solved(client)
            answer = await sign_in(client, name, password, challenge=challenge)
            assert answer.status_code in {401, 429}
    assert (await client.get("/auth/policy")).json()["setup"] is True


async def test_b4_23_a_reset_does_not_do_without_the_second_factor(
    people: People, browser: Browser, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def methods_of(*_: Any, **__: Any) -> list[str]:
        return ["totp"]

    monkeypatch.setattr(factors, "methods_of", methods_of)
    await people.make()
    client = browser()
    token = await linked(people, client, runtime)
    body = {"token": token, "password": OTHER_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 204
    assert code(await client.post("/auth/refresh")) == ENDED
    assert "ticket" in (await sign_in(client, password=OTHER_PASSWORD)).json()


async def test_b4_24_a_link_works_once_for_half_an_hour_and_is_kept_as_a_hash(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    token = await linked(people, client, runtime)
    assert len(token) >= 43, "256 bits"
    async with runtime.db.reading() as session:
        [link] = await session.scalars(select(MailLink))
    assert link.expires_at <= utc_now() + timedelta(minutes=30)
    assert token not in str(vars(link))
    body = {"token": token, "password": OTHER_PASSWORD}
    assert (await client.post("/auth/password/reset", json=body)).status_code == 204
    assert code(await client.post("/auth/password/reset", json=body)) == (404, "link_over")


async def test_b4_26_a_new_session_on_sign_in_and_the_old_one_dies(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    client = await signed_in(people, browser)
    before = dict(client.cookies)["__Host-paifang"], client.headers["authorization"]
    await sign_in(client)
    assert client.cookies["__Host-paifang"] != before[0]
    old = await client.get("/account", headers={"authorization": before[1]})
    assert code(old) == ENDED
    async with runtime.db.reading() as session:
        assert len(set(await session.scalars(select(Session.id)))) == 2


async def test_b4_27_a_session_ends_by_itself(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    client = await signed_in(people, browser)
    await age(runtime, used_at=utc_now() - timedelta(days=15))
    assert code(await client.get("/account")) == ENDED
    await age(runtime, used_at=utc_now(), expires_at=utc_now())
    assert code(await client.post("/auth/refresh")) == ENDED


async def test_b4_28_signing_out_disabling_and_a_new_password_end_sessions(
    people: People, browser: Browser
) -> None:
    out, other, changing = [await signed_in(people, browser) for _ in range(3)]
    await out.post("/auth/sign-out")
    assert code(await out.get("/account")) == ENDED
    body = {"password": OTHER_PASSWORD, "current": PASSWORD}
    assert (await changing.post("/account/password", json=body)).status_code == 204
    assert code(await other.get("/account")) == ENDED
    await people.change("ann@example.org", status="disabled")
    assert code(await changing.get("/account")) == ENDED


async def test_b4_29_a_sensitive_change_asks_again_and_sessions_are_listed_and_ended(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    client, other = [await signed_in(people, browser) for _ in range(2)]
    await age(runtime, authenticated_at=utc_now() - timedelta(hours=1))
    again = (403, "reauthentication_required")
    new = {"password": OTHER_PASSWORD}
    assert code(await client.post("/account/password", json=new)) == again
    assert code(await client.post("/account/email", json={"email": "b@example.org"})) == again
    assert code(await client.delete("/account")) == again
    assert len((await client.get("/account/sessions")).json()) == 2
    assert (await client.delete("/account/sessions")).status_code == 204
    assert code(await other.get("/account")) == ENDED


async def test_b4_30_nobody_reaches_what_is_not_theirs(people: People, browser: Browser) -> None:
    bob = await people.make("bob@example.org")
    theirs = browser()
    await sign_in(theirs, "bob@example.org")
    [session] = (await theirs.get("/account/sessions")).json()
    client = await signed_in(people, browser)
    assert code(await client.get("/accounts/users")) == (403, "forbidden")
    assert code(await client.get(f"/accounts/users/{bob.id}")) == (403, "forbidden")
    missing = await client.delete(f"/account/sessions/{session['id']}")
    assert code(missing) == (404, "session_not_found")
    assert (await browser().get("/account")).status_code == 401


async def test_b4_31_a_token_is_of_our_making_or_nothing(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    client = await signed_in(people, browser)
    real = client.headers["authorization"].removeprefix("Bearer ")
    head, claims, mac = real.split(".")
    for token in (
        forged({"alg": "none", "typ": "at+jwt"}, CLAIMS, sign=False),
        forged({"alg": "HS256", "typ": "at+jwt"}, CLAIMS, key=runtime.secrets.secret_key),
        f"{head}.{claims}.",
        f"{head}.{claims}.{mac[::-1]}",
        client.cookies["__Host-paifang"],
    ):
        answer = await client.get("/account", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401, token


async def test_b4_32_no_token_in_an_address_and_nothing_is_stored_on_the_way(
    people: People, runtime: Runtime, whole: httpx.AsyncClient
) -> None:
    await people.make()
    answer = await sign_in(whole)
    assert answer.headers["cache-control"] == "no-store"
    use(whole, answer)
    token = answer.json()["access_token"]
    del whole.headers["authorization"]
    assert (await whole.get(f"/account?access_token={token}")).status_code == 401
    await linked(people, whole, runtime)
    [mail] = [m for m in await people.mails() if m.template == "reset_password"]
    address = re.search(r"https?://\S+token=\S+", mail.text)
    assert address
    assert "token" not in address[0].partition("#")[0], "browsers send that part to nobody"


async def test_b4_33_only_what_a_form_has_is_taken(people: People, browser: Browser) -> None:
    client = await signed_in(people, browser)
    for extra in ({"status": "active"}, {"is_admin": True}, {"id": "x"}, {"password_hash": "x"}):
        answer = await client.patch("/account", json={"display_name": "A", **extra})
        assert code(answer) == (422, "invalid")
    kept = await people.get("ann@example.org")
    assert kept is not None
    assert kept.display_name == "Ann"


async def test_b4_34_who_failed_to_get_in_is_written_down_without_secrets(
    people: People,
    browser: Browser,
    runtime: Runtime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    client = await signed_in(people, browser)
    await sign_in(browser(), password="hunter2 hunter2")
    async with runtime.db.reading() as session:
        trail = list(await session.scalars(select(AuditEntry)))
    assert {"accounts.sign_in.fail", "accounts.session.begin"} <= {e.action for e in trail}
    told = str([vars(record) for record in caplog.records if record.name.startswith("paifang")])
    told += str([entry.changes for entry in trail])
    for secret in ("hunter2", PASSWORD, client.headers["authorization"], *client.cookies.values()):
        assert secret not in told


async def test_6_3_8_nobody_learns_whether_there_is_an_account(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    async with runtime.db.transaction() as session:
        await params.put(session, param=REGISTRATION, value="open")
    await people.make()
    client = browser()
    answers: list[list[tuple[int, Any]]] = []
    for email in ("ann@example.org", "nobody@example.org"):
        found = []
        for path, more in (
            ("sign-in", {"password": "a wrong one"}),
            ("password/forgot", {}),
            ("verify/resend", {}),
            ("sign-up", {"password": PASSWORD, "display_name": "X"}),
        ):
            body = {"email": email, "challenge": await solved(client), **more}
            answer = await client.post(f"/auth/{path}", json=body)
            content = answer.json()
            if isinstance(content, dict):
                content.pop("request_id", None)
            found.append((answer.status_code, content))
        answers.append(found)
    assert answers[0] == answers[1]


async def test_6_3_5_a_sign_in_from_a_new_device_is_told(people: People, browser: Browser) -> None:
    await signed_in(people, browser)
    assert await people.mails() == []
    await signed_in(people, browser)
    assert [m.template for m in await people.mails()] == ["new_sign_in"]


async def test_11_4_2_passwords_are_kept_as_argon2id_with_parameters_that_are_good_today(
    runtime: Runtime,
) -> None:
    hasher = Hasher(AccountsSettings())
    stored = await hasher.hash(PASSWORD)
    hasher.close()
    found = re.fullmatch(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=1\$[\w+/]{22}\$[\w+/]{43}", stored)
    assert found
    assert int(found[1]) >= {1: 46, 2: 19}.get(int(found[2]), 12) * 1024
