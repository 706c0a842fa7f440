"""Examples of factors, and of sign-in by another service."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from matrix.walk import Example, World, example
from paifang.core.db import utc_now
from paifang.core.ids import uuid7
from paifang.modules.accounts.entry import tickets
from paifang.modules.accounts.factors.models import Identity, Passkey, TotpSecret
from paifang.modules.accounts.providers.settings import OidcSettings

ANSWER = {"challenge_id": "x" * 43, "credential": {}}


async def ticket(world: World) -> str:
    """The ticket of somebody whose password was right."""
    who = await world.person()
    return tickets.make(world.runtime, user_id=who, methods=["password"])


@example("auth.first_totp")
@example("auth.second_passkey_options")
@example("auth.first_passkey_options")
async def _(world: World) -> Example:
    return Example(json={"ticket": await ticket(world)})


@example("auth.sign_in_totp")
@example("auth.confirm_first_totp")
async def _(world: World) -> Example:
    return Example(json={"ticket": await ticket(world), "code": "123456"})


@example("auth.sign_in_recovery_code")
async def _(world: World) -> Example:
    return Example(json={"ticket": await ticket(world), "code": "abcde-fghjk"})


@example("auth.second_passkey")
async def _(world: World) -> Example:
    return Example(json={**ANSWER, "ticket": await ticket(world)})


@example("auth.first_passkey")
async def _(world: World) -> Example:
    return Example(json={**ANSWER, "name": "Phone", "ticket": await ticket(world)})


@example("auth.passkey_sign_in")
async def _(world: World) -> Example:
    return Example(json=ANSWER)


@example("auth.start_oidc")
@example("auth.oidc_callback")
async def _(world: World) -> Example:
    return Example(path={"provider": "github"})


@example("auth.finish_oidc")
async def _(world: World) -> Example:
    return Example(json={"locale": "en"})


@example("account.reauthenticate")
async def _(world: World) -> Example:
    return Example(json={"code": "123456"})


@example("account.confirm_totp")
async def _(world: World) -> Example:
    return Example(json={"code": "123456"})


async def an_app(world: World, user_id: UUID) -> Mapping[str, Any]:
    """An authenticator app of somebody's."""
    async with world.db.transaction() as session:
        session.add(TotpSecret(user_id=user_id, secret="sealed", confirmed_at=utc_now()))
    return {}


@example("account.remove_totp")
async def _(world: World) -> Example:
    return Example(mine=an_app)


@example("account.create_passkey")
async def _(world: World) -> Example:
    return Example(json={**ANSWER, "name": "Phone"})


async def a_passkey(world: World, user_id: UUID) -> Mapping[str, Any]:
    """A passkey of somebody's."""
    made = uuid7()
    async with world.db.transaction() as session:
        session.add(
            Passkey(
                id=made,
                user_id=user_id,
                credential_id=made.hex,
                public_key=b"",
                sign_count=0,
                transports=[],
                aaguid="",
                synced=False,
                backed_up=False,
                name="Phone",
            )
        )
    return {"passkey_id": made}


@example("account.rename_passkey")
async def _(world: World) -> Example:
    return Example(path={"passkey_id": uuid7()}, json={"name": "Laptop"}, mine=a_passkey)


@example("account.remove_passkey")
async def _(world: World) -> Example:
    return Example(path={"passkey_id": uuid7()}, mine=a_passkey)


@example("account.start_identity")
async def _(world: World) -> Example:
    settings = world.runtime.settings
    oidc = OidcSettings(github_client_id="paifang")
    world.runtime.settings = replace(settings, oidc=oidc)  # GitHub is not asked for its addresses
    return Example(path={"provider": "github"}, json={"purpose": "link"})


async def an_identity(world: World, user_id: UUID) -> Mapping[str, Any]:
    """An account of somebody's at another service."""
    made = uuid7()
    async with world.db.transaction() as session:
        session.add(
            Identity(
                id=made,
                user_id=user_id,
                issuer="https://issuer.example",
                subject=made.hex,
                provider="issuer",
                label="somebody",
            )
        )
    return {"identity_id": made}


@example("account.unlink_identity")
async def _(world: World) -> Example:
    return Example(path={"identity_id": uuid7()}, mine=an_identity)


@example("people.put_second_factor_rule")
async def _(world: World) -> Example:
    return Example(json={"rule": "off"})


@example("people.reset_factors")
async def _(world: World) -> Example:
    return Example(path={"user_id": await world.person(department=world.far)}, hidden=True)
