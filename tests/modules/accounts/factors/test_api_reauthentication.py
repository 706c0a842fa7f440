"""Proving once more who one is: before what is sensitive, and with the second factor, if any."""

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import update

from conftest import ADMIN_KEY
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
from modules.accounts.people import OTHER_PASSWORD, PASSWORD, People, code, sign_in, use
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.accounts.sessions.models import Session

SENSITIVE = [
    ("POST", "/account/totp", None),
    ("DELETE", "/account/totp", None),
    ("POST", "/account/recovery-codes", None),
    ("POST", "/account/passkeys/options", None),
    ("POST", "/account/passkeys", {"challenge_id": "x" * 43, "credential": {}, "name": "x"}),
    ("DELETE", "/account/passkeys/0191d9d4-0000-7000-8000-000000000000", None),
    ("POST", "/account/identities", None),
    ("DELETE", "/account/identities/0191d9d4-0000-7000-8000-000000000000", None),
]


@pytest.fixture(autouse=True)
def public(runtime: Runtime) -> None:
    """Passkeys want a name and https."""
    runtime.settings = replace(runtime.settings, public_url=SITE)


async def wait(runtime: Runtime) -> None:
    """Let ten minutes pass since everybody's last proof."""
    async with runtime.db.transaction() as session:
        long_ago = utc_now() - timedelta(minutes=11)
        await session.execute(update(Session).values(authenticated_at=long_ago))


async def proved(client: httpx.AsyncClient, **proof: object) -> bool:
    answered = await client.post("/account/reauthenticate", json=proof)
    if answered.status_code == 200:
        assert answered.json()["until"]
        return True
    return False


async def change(client: httpx.AsyncClient, **body: str) -> httpx.Response:
    return await client.post("/account/password", json=body)


async def test_asvs_7_5_1_a_sensitive_change_wants_a_recent_proof(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    await wait(runtime)
    for method, path, body in SENSITIVE:
        refused = await client.request(method, path, json=body)
        assert code(refused) == (403, "reauthentication_required"), path
    assert not await proved(client, password="not it at all")
    assert code(await client.post("/account/totp")) == (403, "reauthentication_required")
    assert await proved(client, password=PASSWORD)
    assert (await client.post("/account/totp")).status_code == 200


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_key_is_no_person_and_proves_nothing(browser: Browser, people: People) -> None:
    await people.make()
    key = browser()
    key.headers["authorization"] = f"Bearer {ADMIN_KEY}"
    for method, path, body in SENSITIVE:
        refused = await key.request(method, path, json=body)
        assert code(refused) == (409, "no_person"), path
    for path in ("/account/factors", "/account/passkeys", "/account/identities"):
        assert code(await key.get(path)) == (409, "no_person")
    answered = await key.post("/account/reauthenticate", json={"password": PASSWORD})
    assert code(answered) == (409, "no_person")


async def test_who_has_a_second_factor_proves_it_with_that(
    people: People, browser: Browser, runtime: Runtime, clock: Clock
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    secret, codes = await add_totp(client, clock)
    assert codes is not None
    device = Authenticator(SITE)
    await add_passkey(client, device)
    await wait(runtime)
    refused = await client.post("/account/reauthenticate", json={"password": PASSWORD})
    assert code(refused) == (403, "factor_wanted")
    assert refused.json()["factors"] == ["totp", "passkey", "recovery_code"]
    assert code(await client.post("/account/reauthenticate", json={"identity": True})) == (
        403,
        "factor_wanted",
    )
    wrong = await client.post("/account/reauthenticate", json={"code": "000000"})
    assert code(wrong) == (400, "wrong_code")
    assert code(await client.delete("/account/totp")) == (403, "reauthentication_required")
    assert await proved(client, code=code_of(secret, clock))
    assert (await client.post("/account/recovery-codes")).status_code == 201
    await wait(runtime)
    assert not await proved(client, code=codes[0]), "those before are over"
    body = await answer(client, "/account/reauthenticate/options", device)
    assert await proved(client, **body)
    renewed = (await client.post("/account/recovery-codes")).json()["recovery_codes"]
    await wait(runtime)
    assert await proved(client, code=renewed[0])
    assert (await client.delete("/account/totp")).status_code == 204
    texts = [mail.text for mail in await people.mails("ann@example.org")]
    for word in ("was added", "new recovery codes", "code was used", "was removed"):
        assert any(word in text.lower() for text in texts), word


async def test_asvs_7_5_1_a_second_factor_guards_the_password_too(
    people: People, browser: Browser, runtime: Runtime, clock: Clock
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    secret, codes = await add_totp(client, clock)
    assert codes is not None
    again = (403, "reauthentication_required")
    known = {"password": OTHER_PASSWORD, "current": PASSWORD}
    assert code(await change(client, **known)) == again, "it was proved, but by the password alone"
    assert await proved(client, code=code_of(secret, clock))
    assert code(await change(client, **{**known, "current": "not it"})) == (403, "wrong_password")
    assert (await change(client, **known)).status_code == 204
    await wait(runtime)
    assert code(await change(client, password=PASSWORD, current=OTHER_PASSWORD)) == again
    assert code(await change(client, password=PASSWORD)) == again
    assert await proved(client, code=codes[0])
    assert (await change(client, password=PASSWORD)).status_code == 204, "the proof is enough"


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_who_has_just_signed_in_with_the_second_factor_has_proved_it(
    people: People, browser: Browser, clock: Clock
) -> None:
    await people.make()
    first, client = browser(), browser()
    await sign_in(first)
    secret, _codes = await add_totp(first, clock)
    body = {"ticket": await ticket_of(client), "code": code_of(secret, clock)}
    use(client, await client.post("/auth/sign-in/totp", json=body))
    assert (await change(client, password=OTHER_PASSWORD)).status_code == 204
    assert code(await first.get("/account")) == (401, "session_ended")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_proof_is_for_one_session_and_guesses_are_counted(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    first, second = browser(), browser()
    await sign_in(first)
    await sign_in(second)
    await wait(runtime)
    assert await proved(first, password=PASSWORD)
    assert (await first.post("/account/totp")).status_code == 200
    assert code(await second.post("/account/totp")) == (403, "reauthentication_required")
    answers = [
        (await second.post("/account/reauthenticate", json={"password": f"wrong {n}"})).status_code
        for n in range(6)
    ]
    assert answers[:5] == [403] * 5
    assert answers[5] == 429


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"password": "x", "code": "123456"},
        {"password": None},
        {"credential": {}},
        {"challenge_id": "x" * 43},
        {"identity": False},
        {"identity": True, "code": "123456"},
        {"code": "1"},
        {"other": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_one_proof_at_a_time_is_taken(
    people: People, browser: Browser, proof: dict[str, object]
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    assert (await client.post("/account/reauthenticate", json=proof)).status_code == 422
