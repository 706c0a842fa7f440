"""What administrators do about factors, what goes with an account, and what a reset leaves."""

from dataclasses import replace

import httpx
import pytest
from sqlalchemy import func, select

from doubles.authenticator import Authenticator
from modules.accounts.factors.people import Clock
from modules.accounts.factors.walk import SITE, Browser, add_passkey, add_totp
from modules.accounts.people import PASSWORD, People, code, sign_in
from paifang.core.runtime import Runtime
from paifang.modules.accounts.factors.models import Identity, Passkey, RecoveryCode, TotpSecret


@pytest.fixture(autouse=True)
def public(runtime: Runtime) -> None:
    """Passkeys want a name and https."""
    runtime.settings = replace(runtime.settings, public_url=SITE)


async def rows(runtime: Runtime) -> list[int]:
    async with runtime.db.reading() as session:
        return [
            await session.scalar(select(func.count()).select_from(table)) or 0
            for table in (TotpSecret, RecoveryCode, Passkey, Identity)
        ]


async def with_everything(
    people: People, browser: Browser, clock: Clock, runtime: Runtime
) -> httpx.AsyncClient:
    """Ann, with an app, a passkey, codes and a linked account."""
    ann = await people.make()
    client = browser()
    await sign_in(client)
    await add_totp(client, clock)
    await add_passkey(client, Authenticator(SITE))
    async with runtime.db.transaction() as session:
        session.add(
            Identity(
                user_id=ann.id,
                issuer="https://id.example",
                subject="1",
                provider="company",
                label="ann",
            )
        )
    assert await rows(runtime) == [1, 10, 1, 1]
    return client


async def test_an_administrator_takes_away_what_somebody_has_lost_and_they_are_told(
    people: People, browser: Browser, clock: Clock, runtime: Runtime
) -> None:
    client = await with_everything(people, browser, clock, runtime)
    ann = await people.get("ann@example.org")
    assert ann is not None
    path = f"/accounts/users/{ann.id}/reset-factors"
    assert code(await client.post(path)) == (403, "forbidden")
    await people.make("boss@example.org", administrator=True)
    boss = browser()
    await sign_in(boss, "boss@example.org")
    assert (await boss.post(path)).status_code == 204
    assert await rows(runtime) == [0, 0, 0, 1]
    assert code(await client.get("/account/factors")) == (401, "session_ended")
    assert (await sign_in(client)).json()["access_token"]
    assert "removed all your second factors" in (await people.mails("ann@example.org"))[-1].text
    own = await people.get("boss@example.org")
    assert own is not None
    refused = await boss.post(f"/accounts/users/{own.id}/reset-factors")
    assert refused.status_code in {403, 409}, "not one's own: that wants a proof"


async def test_the_rule_is_read_and_set_by_who_may(
    people: People, browser: Browser, clock: Clock
) -> None:
    path = "/accounts/settings/second-factor"
    await people.make()
    client = browser()
    await sign_in(client)
    assert code(await client.get(path)) == (403, "forbidden")
    await people.make("boss@example.org", administrator=True)
    boss = browser()
    await sign_in(boss, "boss@example.org")
    assert (await boss.get(path)).json() == {"rule": "off"}
    wanted = {"rule": "everybody"}
    assert code(await boss.put(path, json=wanted)) == (409, "second_factor_missing")
    await add_totp(boss, clock)
    assert (await boss.put(path, json=wanted)).status_code == 200
    assert (await boss.get(path)).json() == wanted
    assert (await boss.put(path, json={"rule": "some"})).status_code == 422
    assert (await sign_in(browser())).json()["set_up"] is True


async def test_with_an_account_all_of_it_goes_and_before_that_it_can_be_taken_along(
    people: People, browser: Browser, clock: Clock, runtime: Runtime
) -> None:
    client = await with_everything(people, browser, clock, runtime)
    exported = (await client.get("/account/export")).json()["factors"]
    assert [p["name"] for p in exported["passkeys"]] == ["Phone"]
    assert exported["identities"][0]["subject"] == "1"
    assert exported["totp_since"]
    assert "secret" not in str(exported)
    assert (await client.delete("/account")).status_code in {200, 204}
    assert await rows(runtime) == [0, 0, 0, 0]


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_programs_with_a_password_do_not_get_past_a_second_factor(
    people: People, browser: Browser, clock: Clock
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    await add_totp(client, clock)
    form = {"grant_type": "password", "username": "ann@example.org", "password": PASSWORD}
    answer = await browser().post("/auth/token", data=form)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"
