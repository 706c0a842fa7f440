"""The HTTP of channels."""

import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from paifang.core.auth import Caller, require
from paifang.core.db import utc_now
from paifang.core.db.request import Db
from paifang.core.pagination import Page, Paging
from paifang.core.runtime import Runtime
from paifang.modules.gateway.channels import preview, probe, service
from paifang.modules.gateway.channels.providers import PROVIDERS
from paifang.modules.gateway.channels.schemas import (
    ChannelCreate,
    ChannelFilter,
    ChannelPreview,
    ChannelRead,
    ChannelTest,
    ChannelTestRead,
    ChannelUpdate,
    PreviewRead,
    ProviderRead,
    UpstreamModelsRead,
)
from paifang.modules.gateway.local.manager import LocalModels
from paifang.modules.gateway.permissions import GatewayPermission

router = APIRouter(prefix="/gateway/channels", tags=["channels"])
providers_router = APIRouter(prefix="/gateway/providers", tags=["channels"])

READ = require(GatewayPermission.CHANNELS_READ)
WRITE = require(GatewayPermission.CHANNELS_WRITE)


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _plain(body: ChannelCreate | ChannelUpdate) -> dict[str, Any]:
    """What was sent, as the service takes it."""
    values = body.model_dump(exclude_unset=True)
    if body.credential is not None:
        values["credential"] = body.credential.get_secret_value()
    return values


@router.get("", dependencies=[READ])
async def list_channels(
    request: Request, session: Db, paging: Paging, wanted: Annotated[ChannelFilter, Query()]
) -> Page[ChannelRead]:
    """Channels. Sortable by name, number, provider, priority, status, used, requests and
    created_at.
    """
    page = await service.list_page(session, paging=paging, **wanted.model_dump())
    secrets = _runtime(request).secrets
    return Page(
        items=[ChannelRead.of(channel, secrets) for channel in page.items],
        total=page.total,
        page=page.page,
        page_size=page.page_size,
    )


@providers_router.get("", dependencies=[READ])
async def list_providers() -> list[ProviderRead]:
    """The kinds of upstream a channel can have, by id."""
    return [ProviderRead.of(provider) for provider in PROVIDERS.values()]


@router.post("", status_code=201, dependencies=[WRITE])
async def create_channel(
    request: Request, session: Db, caller: Caller, body: ChannelCreate
) -> ChannelRead:
    """Make a channel. Its credential is stored encrypted and never shown again."""
    secrets = _runtime(request).secrets
    channel = await service.create(session, actor=caller, secrets=secrets, **_plain(body))
    return ChannelRead.of(channel, secrets)


@router.get("/{channel_id}", dependencies=[READ])
async def get_channel(request: Request, session: Db, channel_id: UUID) -> ChannelRead:
    """One channel."""
    channel = await service.get(session, channel_id=channel_id)
    return ChannelRead.of(channel, _runtime(request).secrets)


@router.patch("/{channel_id}", dependencies=[WRITE])
async def update_channel(
    request: Request, session: Db, caller: Caller, channel_id: UUID, body: ChannelUpdate
) -> ChannelRead:
    """Change what is sent. A credential of null removes the stored one; absent, it stays."""
    secrets = _runtime(request).secrets
    channel = await service.update(
        session,
        actor=caller,
        secrets=secrets,
        channel_id=channel_id,
        **_plain(body),
    )
    return ChannelRead.of(channel, secrets)


@router.delete("/{channel_id}", status_code=204, dependencies=[WRITE])
async def delete_channel(session: Db, caller: Caller, channel_id: UUID) -> Response:
    """Delete a channel. The logs of its calls stay."""
    await service.delete(session, actor=caller, channel_id=channel_id)
    return Response(status_code=204)


# The two below ask the network: their database work is in short blocks before and after.


@router.post("/{channel_id}/test", dependencies=[WRITE])
async def run_test(
    request: Request, caller: Caller, channel_id: UUID, body: ChannelTest | None = None
) -> ChannelTestRead:
    """Ask the upstream whether it answers, and keep the result with the channel."""
    runtime = _runtime(request)
    async with runtime.db.reading() as session:
        channel = await service.get(session, channel_id=channel_id)
    at = utc_now()
    tested = await probe.test_channel(
        service.for_relay(channel, secrets=runtime.secrets),
        models=channel.models,
        model=body.model if body is not None else None,
        local=runtime.parts.get(LocalModels),
    )
    async with runtime.db.transaction() as session:
        await service.record_test(
            session,
            actor=caller,
            channel_id=channel_id,
            at=at,
            ms=tested.ms,
            error=tested.error,
        )
    return ChannelTestRead(
        ok=tested.error is None,
        ms=tested.ms,
        error=tested.error,
        missing_models=list(tested.missing_models),
        tested_at=at,
    )


@router.post("/preview", dependencies=[WRITE])
async def preview_channel(request: Request, body: ChannelPreview) -> PreviewRead:
    """Ask an upstream for its models with what is typed into a form, before anything is stored.
    With the id of a channel, its stored credential is used when none is sent, for the same server
    alone.
    """
    runtime = _runtime(request)
    stored = None
    if body.channel_id is not None:
        async with runtime.db.reading() as session:
            stored = await service.get(session, channel_id=body.channel_id)
    sent = body.credential
    channel = preview.unsaved(
        provider=body.provider,
        base_url=body.base_url,
        credential=None if sent is None else sent.get_secret_value(),
        stored=stored,
        secrets=runtime.secrets,
    )
    began = time.monotonic()
    models = await probe.list_upstream_models(channel, local=runtime.parts.get(LocalModels))
    return PreviewRead(models=models, ms=round((time.monotonic() - began) * 1000))


@router.get("/{channel_id}/upstream-models", dependencies=[WRITE])
async def list_upstream_models(request: Request, channel_id: UUID) -> UpstreamModelsRead:
    """The models the upstream lists now, by its own names."""
    runtime = _runtime(request)
    async with runtime.db.reading() as session:
        channel = await service.get(session, channel_id=channel_id)
    models = await probe.list_upstream_models(
        service.for_relay(channel, secrets=runtime.secrets), local=runtime.parts.get(LocalModels)
    )
    return UpstreamModelsRead(models=models)
