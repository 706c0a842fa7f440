"""The rule who needs a second factor: who has none sets one up before they are in."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from doubles.authenticator import Authenticator
from modules.accounts.factors.people import Clock, as_person
from modules.accounts.factors.walk import SITE, Browser, add_totp, code_of, ticket_of
from modules.accounts.people import People, code, sign_in, use
from paifang.core.commands import OPERATOR
from paifang.core.errors import Invalid
from paifang.core.runtime import Runtime
from paifang.modules.access.roles.models import Role, RolePermission, UserRole
from paifang.modules.accounts.factors import service as factors
from paifang.modules.accounts.factors.errors import SecondFactorMissing
from paifang.modules.accounts.sessions.models import Session


@pytest.fixture(autouse=True)
def public(runtime: Runtime) -> None:
    """Passkeys want a name and https."""
    runtime.settings = replace(runtime.settings, public_url=SITE)


async def rule(runtime: Runtime, value: str) -> None:
    async with runtime.db.transaction() as session:
        await factors.require(session, actor=OPERATOR, rule=value)


async def test_asvs_6_3_3_who_needs_an_app_sets_it_up_before_the_sign_in_ends(
    people: People, browser: Browser, runtime: Runtime, clock: Clock
) -> None:
    await people.make("boss@example.org", administrator=True)
    await people.make()
    await rule(runtime, "administrators")
    assert (await sign_in(browser())).json()["access_token"], "others come in as before"
    client = browser()
    asked = await sign_in(client, "boss@example.org")
    assert "access_token" not in asked.json()
    assert asked.json()["set_up"] is True
    assert asked.json()["factors"] == ["totp", "passkey"]
    assert "set-cookie" not in asked.headers
    ticket = asked.json()["ticket"]
    made = await client.post("/auth/sign-in/totp/set-up", json={"ticket": ticket})
    assert made.status_code == 200, made.text
    secret = made.json()["secret"]
    wrong = {"ticket": ticket, "code": "000000"}
    assert code(await client.post("/auth/sign-in/totp/confirm", json=wrong)) == (400, "wrong_code")
    body = {"ticket": ticket, "code": code_of(secret, clock)}
    done = await client.post("/auth/sign-in/totp/confirm", json=body)
    assert done.status_code == 200, done.text
    assert len(done.json()["recovery_codes"]) == 10
    use(client, done)
    assert (await client.get("/account/factors")).json()["required"] is True
    assert code(await client.delete("/account/totp")) == (409, "second_factor_required")
    other = browser()
    next_time = (await sign_in(other, "boss@example.org")).json()
    assert next_time["set_up"] is False


async def test_a_ticket_adds_no_factor_to_an_account_that_has_one(
    people: People, browser: Browser, runtime: Runtime, clock: Clock
) -> None:
    await people.make()
    client = browser()
    await sign_in(client)
    await add_totp(client, clock)
    await rule(runtime, "everybody")
    thief = browser()  # who has the password alone
    ticket = await ticket_of(thief)
    there = (409, "second_factor_there")
    only = {"ticket": ticket}
    assert code(await thief.post("/auth/sign-in/totp/set-up", json=only)) == there
    assert code(await thief.post("/auth/sign-in/passkey/set-up", json=only)) == there
    body = {**only, "code": "123456"}
    assert code(await thief.post("/auth/sign-in/totp/confirm", json=body)) == there
    # Asked for before the account had a factor, answered after.
    await people.make("bo@example.org")
    ticket = await ticket_of(thief, "bo@example.org")
    asked = (await thief.post("/auth/sign-in/passkey/set-up", json={"ticket": ticket})).json()
    own = browser()
    own_ticket = await ticket_of(own, "bo@example.org")
    made = (await own.post("/auth/sign-in/totp/set-up", json={"ticket": own_ticket})).json()
    body = {"ticket": own_ticket, "code": code_of(made["secret"], clock)}
    assert (await own.post("/auth/sign-in/totp/confirm", json=body)).status_code == 200
    late = {
        "ticket": ticket,
        "challenge_id": asked["challenge_id"],
        "credential": Authenticator(SITE).create(asked["options"]),
        "name": "Theirs",
    }
    assert code(await thief.post("/auth/sign-in/passkey/confirm", json=late)) == there


async def test_a_passkey_may_be_that_first_factor(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    await rule(runtime, "everybody")
    client = browser()
    ticket = await ticket_of(client)
    device = Authenticator(SITE)
    asked = (await client.post("/auth/sign-in/passkey/set-up", json={"ticket": ticket})).json()
    body = {
        "ticket": ticket,
        "challenge_id": asked["challenge_id"],
        "credential": device.create(asked["options"]),
        "name": "Phone",
    }
    done = await client.post("/auth/sign-in/passkey/confirm", json=body)
    assert done.status_code == 200, done.text
    assert len(done.json()["recovery_codes"]) == 10
    use(client, done)
    (passkey,) = (await client.get("/account/passkeys")).json()
    refused = await client.delete(f"/account/passkeys/{passkey['id']}")
    assert code(refused) == (409, "second_factor_required")


async def test_sessions_of_who_has_none_end_at_their_next_refresh(
    people: People, browser: Browser, runtime: Runtime, clock: Clock
) -> None:
    ann = await people.make()
    await people.make("bo@example.org")
    anns, bos = browser(), browser()
    await sign_in(anns)
    await sign_in(bos, "bo@example.org")
    await add_totp(bos, clock)
    await rule(runtime, "everybody")
    assert code(await anns.post("/auth/refresh")) == (401, "session_ended")
    assert (await bos.post("/auth/refresh")).status_code == 200
    async with runtime.db.reading() as session:
        reason = await session.scalar(select(Session.ended_reason).where(Session.user_id == ann.id))
        assert reason == "factor_required"


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_rule_for_administrators_means_who_holds_a_role_that_grants_something(
    people: People, runtime: Runtime
) -> None:
    ann = await people.make()
    await rule(runtime, "administrators")

    async def needs() -> bool:
        async with runtime.db.reading() as session:
            return await factors.is_required(session, user_id=ann.id)

    assert not await needs()
    async with runtime.db.transaction() as session:
        role = Role(code="clerk", name="Clerk", data_scope="all", status="enabled", built_in=False)
        session.add(role)
        await session.flush()
        session.add(UserRole(user_id=ann.id, role_id=role.id))
    assert not await needs(), "it grants nothing"
    async with runtime.db.transaction() as session:
        session.add(RolePermission(role_id=role.id, permission="accounts.users:read"))
    assert await needs()
    async with runtime.db.transaction() as session:
        await session.execute(update(Role).where(Role.id == role.id).values(status="disabled"))
    assert not await needs()


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_nobody_sends_themselves_away_with_the_rule(
    people: People, browser: Browser, runtime: Runtime, clock: Clock
) -> None:
    ann = await people.make(administrator=True)
    async with runtime.db.transaction() as session:
        with pytest.raises(SecondFactorMissing):
            await factors.require(session, actor=as_person(ann.id), rule="administrators")
        with pytest.raises(Invalid):
            await factors.require(session, actor=OPERATOR, rule="some")
        await factors.require(session, actor=as_person(ann.id), rule="off")
    client = browser()
    await sign_in(client)
    await add_totp(client, clock)
    async with runtime.db.transaction() as session:
        await factors.require(session, actor=as_person(ann.id), rule="administrators")
