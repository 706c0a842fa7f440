"""Examples of the gateway, and of the AI Proxy API, which shows the same rows."""

import hashlib
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from matrix.walk import Example, World, example
from paifang.core.db import utc_now
from paifang.core.ids import uuid7
from paifang.modules.gateway.channels import service as channels
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups import service as groups
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.logs.rows import row_of
from paifang.modules.gateway.prices import service as prices
from paifang.modules.gateway.relay.record import Record
from paifang.modules.gateway.teams.models import GroupInvitation
from paifang.modules.gateway.tokens import service as tokens
from paifang.modules.gateway.tokens.models import Token


async def a_group(world: World) -> str:
    async with world.db.transaction() as session:
        made = await groups.create(
            session, actor=world.operator, kind="team", owner_id=world.stranger
        )
    return made.id


async def a_token(world: World) -> Token:
    group_id = await a_group(world)
    async with world.db.transaction() as session:
        made, _ = await tokens.create(session, actor=world.operator, group_id=group_id, name="a")
    return made


async def a_channel(world: World) -> Channel:
    async with world.db.transaction() as session:
        return await channels.create(
            session,
            actor=world.operator,
            secrets=world.runtime.secrets,
            name=uuid7().hex,
            provider="openai",
            base_url="http://127.0.0.1:9/v1",
            connect_timeout=1,
        )


async def a_log(world: World) -> str:
    record = Record(
        request_id=uuid7().hex,
        started_at=utc_now().timestamp(),
        group_id="g",
        model="m",
        endpoint="/v1/chat/completions",
        status=200,
        outcome="completed",
    )
    async with world.db.transaction() as session:
        await session.execute(insert(Log), [row_of(record.to_bytes())])
    return record.request_id


# --- groups ---


@example("groups.create_group")
async def _(world: World) -> Example:
    return Example(json={})


@example("groups.get_group")
@example("groups.delete_group")
@example("ai-proxy.get_group")
@example("ai-proxy.delete_group")
@example("ai-proxy.list_group_tokens")
@example("ai-proxy.search_group_tokens")
@example("ai-proxy.list_group_logs")
@example("ai-proxy.search_group_logs")
async def _(world: World) -> Example:
    return Example(path={"group_id": await a_group(world)}, hidden=True)


@example("groups.update_group")
async def _(world: World) -> Example:
    return Example(path={"group_id": await a_group(world)}, json={"rpm": 5}, hidden=True)


@example("ai-proxy.create_group")
async def _(world: World) -> Example:
    return Example(json={"id": uuid7().hex, "qpm": 5})


@example("ai-proxy.set_group_status")
async def _(world: World) -> Example:
    return Example(path={"group_id": await a_group(world)}, json={"status": 2}, hidden=True)


@example("ai-proxy.set_group_qpm")
async def _(world: World) -> Example:
    return Example(path={"group_id": await a_group(world)}, json={"qpm": 5}, hidden=True)


# --- tokens ---


async def by_id(world: World) -> dict[str, Any]:
    return {"token_id": (await a_token(world)).id}


async def by_number(world: World) -> dict[str, Any]:
    made = await a_token(world)
    return {"number": made.number, "group_id": made.group_id}


@example("tokens.create_token")
async def _(world: World) -> Example:
    return Example(json={"group_id": await a_group(world), "name": "new"}, hidden=True)


@example("tokens.get_token")
@example("tokens.revoke_token")
@example("tokens.rotate_token")
@example("tokens.delete_token")
@example("tokens.take_over_token")
async def _(world: World) -> Example:
    return Example(path=await by_id(world), hidden=True)


@example("tokens.update_token")
async def _(world: World) -> Example:
    return Example(path=await by_id(world), json={"name": "other"}, hidden=True)


@example("ai-proxy.create_token")
async def _(world: World) -> Example:
    return Example(path={"group_id": await a_group(world)}, json={"name": "new"}, hidden=True)


@example("ai-proxy.get_token")
@example("ai-proxy.delete_token")
@example("ai-proxy.get_group_token")
@example("ai-proxy.delete_group_token")
async def _(world: World) -> Example:
    return Example(path=await by_number(world), hidden=True)


@example("ai-proxy.update_token")
@example("ai-proxy.update_group_token")
@example("ai-proxy.set_token_name")
@example("ai-proxy.set_group_token_name")
async def _(world: World) -> Example:
    return Example(path=await by_number(world), json={"name": "other"}, hidden=True)


@example("ai-proxy.set_token_status")
@example("ai-proxy.set_group_token_status")
async def _(world: World) -> Example:
    return Example(path=await by_number(world), json={"status": 2}, hidden=True)


# --- channels ---

NEW_CHANNEL = {"provider": "openai", "base_url": "http://127.0.0.1:9/v1"}


@example("channels.create_channel")
async def _(world: World) -> Example:
    return Example(json={"name": uuid7().hex, **NEW_CHANNEL})


@example("channels.get_channel")
@example("channels.delete_channel")
@example("channels.run_test")
@example("channels.list_upstream_models")
async def _(world: World) -> Example:
    return Example(path={"channel_id": (await a_channel(world)).id})


@example("channels.update_channel")
async def _(world: World) -> Example:
    return Example(path={"channel_id": (await a_channel(world)).id}, json={"weight": 2})


@example("ai-proxy.create_channel")
async def _(world: World) -> Example:
    return Example(json={"type": 1, "name": uuid7().hex, "key": "sk", "models": ["m"]})


@example("ai-proxy.create_channels")
async def _(world: World) -> Example:
    return Example(json=[{"type": 1, "name": uuid7().hex, "key": "sk", "models": ["m"]}])


@example("ai-proxy.update_channel")
async def _(world: World) -> Example:
    return Example(json={"id": (await a_channel(world)).number, "name": uuid7().hex})


@example("ai-proxy.get_channel")
@example("ai-proxy.delete_channel")
@example("ai-proxy.run_test")
@example("ai-proxy.update_balance")
async def _(world: World) -> Example:
    return Example(path={"number": (await a_channel(world)).number})


@example("ai-proxy.set_channel_status")
async def _(world: World) -> Example:
    return Example(path={"number": (await a_channel(world)).number}, json={"status": 2})


@example("channels.list_channels")
@example("ai-proxy.list_channels")
@example("ai-proxy.search_channels")
@example("ai-proxy.list_groups")
@example("ai-proxy.search_groups")
@example("ai-proxy.list_tokens")
@example("ai-proxy.search_tokens")
@example("ai-proxy.list_logs")
@example("ai-proxy.search_logs")
@example("ai-proxy.sum_logs")
@example("ai-proxy.list_consume_errors")
@example("logs.list_logs")
@example("usage.get_usage")
@example("usage.get_overview")
async def _(world: World) -> Example:
    return Example()


@example("ai-proxy.list_default_models_of")
@example("ai-proxy.get_default_mapping_of")
@example("ai-proxy.list_defaults_of")
async def _(world: World) -> Example:
    return Example(path={"number": 1})


# --- prices, options and logs ---


@example("prices.create_price")
async def _(world: World) -> Example:
    return Example(json={"model": uuid7().hex, "input": "1", "output": "2"})


@example("prices.get_price")
@example("prices.delete_price")
async def _(world: World) -> Example:
    async with world.db.transaction() as session:
        made = await prices.create(
            session, actor=world.operator, model=uuid7().hex, input=1, output=2
        )
    return Example(path={"price_id": made.id})


@example("ai-proxy.set_option")
async def _(world: World) -> Example:
    return Example(json={"key": "ModelPrice", "value": "{}"})


@example("ai-proxy.set_options")
async def _(world: World) -> Example:
    return Example(json={"ModelPrice": "{}"})


@example("logs.get_log")
async def _(world: World) -> Example:
    return Example(path={"request_id": await a_log(world)}, hidden=True)


@example("logs.export_logs")
async def _(world: World) -> Example:
    del world
    return Example(
        query={"started_from": "2026-01-01T00:00:00Z", "started_to": "2026-01-02T00:00:00Z"}
    )


@example("logs.tail_logs")
async def _(world: World) -> Example:
    del world
    return Example(endless=True)


# --- lists of what is the stranger's ---


@example("groups.list_groups")
async def _(world: World) -> Example:
    return Example(shows=await a_group(world))


@example("tokens.list_tokens")
async def _(world: World) -> Example:
    return Example(shows=str((await a_token(world)).id))


# --- teams ---


async def an_invitation(world: World, email: str) -> tuple[GroupInvitation, str]:
    """An invitation into a group of the stranger's, and the secret of its link."""
    secret = uuid7().hex
    invitation = GroupInvitation(
        group_id=await a_group(world),
        email=email,
        role="member",
        digest=hashlib.sha256(secret.encode()).hexdigest(),
        invited_by="walk",
        inviter="Walk",
        expires_at=utc_now() + timedelta(days=1),
    )
    async with world.db.transaction() as session:
        session.add(invitation)
    return invitation, secret


@example("teams.create_team")
async def _(world: World) -> Example:
    del world
    return Example(json={"name": "Team"})


@example("teams.rename_team")
async def _(world: World) -> Example:
    return Example(path={"group_id": await a_group(world)}, json={"name": "Other"}, hidden=True)


@example("teams.delete_team")
@example("teams.list_members")
@example("teams.list_group_invitations")
async def _(world: World) -> Example:
    return Example(path={"group_id": await a_group(world)}, hidden=True)


@example("teams.put_member")
async def _(world: World) -> Example:
    path = {"group_id": await a_group(world), "user_id": world.stranger}
    return Example(path=path, json={"role": "manager"}, hidden=True)


@example("teams.remove_member")
async def _(world: World) -> Example:
    path = {"group_id": await a_group(world), "user_id": world.stranger}
    return Example(path=path, hidden=True)


@example("teams.hand_over")
async def _(world: World) -> Example:
    path, body = {"group_id": await a_group(world)}, {"user_id": str(world.stranger)}
    return Example(path=path, json=body, hidden=True)


@example("teams.create_invitation")
async def _(world: World) -> Example:
    body = {"email": f"{uuid7().hex}@example.org"}
    return Example(path={"group_id": await a_group(world)}, json=body, hidden=True)


@example("teams.delete_invitation")
async def _(world: World) -> Example:
    invitation, _ = await an_invitation(world, "somebody@example.org")
    path = {"group_id": invitation.group_id, "invitation_id": invitation.id}
    return Example(path=path, hidden=True)


@example("teams.look_at_link")
@example("teams.accept_link")
async def _(world: World) -> Example:
    _, secret = await an_invitation(world, "somebody@example.org")
    return Example(json={"secret": secret})


@example("teams.accept_invitation")
@example("teams.decline_invitation")
async def _(world: World) -> Example:
    invitation, _ = await an_invitation(world, "somebody@example.org")
    return Example(path={"invitation_id": invitation.id}, hidden=True)


@example("channels.preview_channel")
async def _(world: World) -> Example:
    del world
    return Example(json=NEW_CHANNEL)


@example("logs.delete_logs")
async def _(world: World) -> Example:
    return Example(query={"before": "2020-01-01T00:00:00Z"})


@example("ai-proxy.delete_logs")
async def _(world: World) -> Example:
    return Example(query={"timestamp": 1})
