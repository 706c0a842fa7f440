"""``/api/channels`` and ``/api/channel``."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Caller, Principal, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.modules.gateway.channels import service
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.compat.channels import service as proxy
from paifang.modules.gateway.compat.channels.schemas import (
    ChannelChange,
    ChannelFilter,
    ChannelIn,
    ChannelSearch,
    ProxyChannel,
    ProxyChannels,
    ProxyTest,
    StatusIn,
    TestEnvelope,
)
from paifang.modules.gateway.compat.envelope import (
    TAG,
    Envelope,
    EnvelopeRoute,
    answer,
    body_of,
    reader,
    spoken,
)
from paifang.modules.gateway.compat.errors import NotOffered
from paifang.modules.gateway.compat.lists import Text
from paifang.modules.gateway.compat.values import Number, invalid, status_word
from paifang.modules.gateway.permissions import GatewayPermission

router = APIRouter(tags=[TAG], route_class=EnvelopeRoute)
READ = require(GatewayPermission.AIPROXY_USE)
WRITE = require(GatewayPermission.AIPROXY_USE)

AT_ONCE = 8
"""Channels that are tested at the same time."""
Channels = Annotated[list[ChannelIn], Field(max_length=proxy.MAX_NEW)]


@router.get("/api/channels/", dependencies=[READ])
@router.get("/api/channels", dependencies=[READ], include_in_schema=False)
async def list_channels(
    request: Request, session: Db, wanted: Annotated[ChannelFilter, Query()]
) -> Envelope[ProxyChannels]:
    """Channels, their credentials hidden."""
    return answer(await _list(request, session, ChannelSearch(**dict(wanted))))


@router.get("/api/channels/search", dependencies=[READ])
async def search_channels(
    request: Request, session: Db, wanted: Annotated[ChannelSearch, Query()]
) -> Envelope[ProxyChannels]:
    """Channels by a keyword."""
    return answer(await _list(request, session, wanted))


@router.get("/api/channels/all", dependencies=[READ])
async def list_all_channels(request: Request, session: Db) -> Envelope[list[ProxyChannel]]:
    """All channels on one page, the newest first."""
    return answer(_shown(request, await proxy.everything(session)))


@router.post("/api/channels/", dependencies=[WRITE], openapi_extra=body_of(Channels))
@router.post("/api/channels", dependencies=[WRITE], include_in_schema=False)
async def create_channels(
    request: Request,
    sent: Annotated[list[ChannelIn], Depends(reader(Channels))],
    session: Db,
    caller: Caller,
) -> Envelope[list[ProxyChannel]]:
    """Make channels: all of them, or none."""
    return answer(_shown(request, await _create(request, session, caller, sent)))


@router.get("/api/channels/test", dependencies=[WRITE])
async def run_tests(
    request: Request,
    caller: Caller,
    only_disabled: Annotated[str, Query(description="`true`: only those.")] = "",
) -> Envelope[list[ProxyTest]]:
    """Ask each upstream for its models; it failed when one of them did."""
    runtime = _runtime(request)
    async with runtime.db.reading() as session:
        channels = await proxy.everything(session, only_disabled=only_disabled == "true")
    places = asyncio.Semaphore(AT_ONCE)

    async def tried(channel: Channel) -> ProxyTest:
        async with places:
            return await proxy.try_or_say_why(runtime, actor=caller, channel=channel)

    tests = await asyncio.gather(*map(tried, channels))
    failed = [one for one in tests if not one.success]
    said = "; ".join(f"{one.name}: {one.message}" for one in failed[:5])
    return Envelope(
        success=not failed,
        message=f"{len(failed)} of {len(tests)} channels failed. {said}" if failed else "",
        data=tests,
    )


@router.get("/api/channels/update_balance", dependencies=[WRITE])
async def update_balances() -> Envelope[None]:
    """Not offered: providers of the OpenAI protocol tell no balance."""
    raise _no_balance()


@router.post("/api/channel/", dependencies=[WRITE], openapi_extra=body_of(ChannelIn))
@router.post("/api/channel", dependencies=[WRITE], include_in_schema=False)
async def create_channel(
    request: Request,
    sent: Annotated[ChannelIn, Depends(reader(ChannelIn))],
    session: Db,
    caller: Caller,
) -> Envelope[list[ProxyChannel]]:
    """Make a channel, or one for each key."""
    return answer(_shown(request, await _create(request, session, caller, [sent])))


@router.put("/api/channel/", dependencies=[WRITE], openapi_extra=body_of(ChannelChange))
@router.put("/api/channel", dependencies=[WRITE], include_in_schema=False)
async def update_channel(
    request: Request,
    sent: Annotated[ChannelChange, Depends(reader(ChannelChange))],
    session: Db,
    caller: Caller,
) -> Envelope[ProxyChannel]:
    """Change what is sent, and nothing else; a hidden or empty key stays."""
    secrets = _runtime(request).secrets
    channel = await service.find_by_number(session, number=sent.id)
    values = proxy.changes(sent, channel, secrets)
    with spoken(proxy.NAMES):
        channel = await service.update(
            session, actor=caller, secrets=secrets, channel_id=channel.id, **values
        )
    return answer(ProxyChannel.of(channel, secrets))


@router.get("/api/channel/test/{number}", dependencies=[WRITE])
async def run_test(
    request: Request,
    caller: Caller,
    number: Number,
    model: Annotated[
        Text, Query(description="Call this model; without it, ask for the list of models.")
    ] = None,
) -> TestEnvelope | Envelope[None]:
    """Ask the upstream whether it answers, and keep the result with the channel."""
    runtime = _runtime(request)
    async with runtime.db.reading() as session:
        channel = await service.find_by_number(session, number=number)
    tested = await proxy.try_channel(runtime, actor=caller, channel=channel, model=model)
    return TestEnvelope(
        success=tested.success,
        message=tested.message,
        data=tested,
        time=tested.time,
        model=model or "",
    )


@router.get("/api/channel/update_balance/{number}", dependencies=[WRITE])
async def update_balance(number: Number) -> Envelope[None]:
    """Not offered: providers of the OpenAI protocol tell no balance."""
    del number
    raise _no_balance()


@router.get("/api/channel/{number}", dependencies=[READ])
async def get_channel(request: Request, session: Db, number: Number) -> Envelope[ProxyChannel]:
    """One channel, its credential hidden."""
    channel = await service.find_by_number(session, number=number)
    return answer(ProxyChannel.of(channel, _runtime(request).secrets))


@router.delete("/api/channel/{number}", dependencies=[WRITE])
async def delete_channel(session: Db, caller: Caller, number: Number) -> Envelope[None]:
    """Delete a channel. The logs of its calls stay."""
    channel = await service.find_by_number(session, number=number)
    await service.delete(session, actor=caller, channel_id=channel.id)
    return answer(None)


@router.post("/api/channel/{number}/status", dependencies=[WRITE], openapi_extra=body_of(StatusIn))
async def set_channel_status(
    request: Request,
    sent: Annotated[StatusIn, Depends(reader(StatusIn))],
    session: Db,
    caller: Caller,
    number: Number,
) -> Envelope[None]:
    """Enable or disable a channel."""
    word = status_word(sent.status)
    channel = await service.find_by_number(session, number=number)
    await service.update(
        session,
        actor=caller,
        secrets=_runtime(request).secrets,
        channel_id=channel.id,
        status=word,
    )
    return answer(None)


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _shown(request: Request, channels: list[Channel]) -> list[ProxyChannel]:
    secrets = _runtime(request).secrets
    return [ProxyChannel.of(channel, secrets) for channel in channels]


async def _list(request: Request, session: AsyncSession, wanted: ChannelSearch) -> ProxyChannels:
    rows, total = await proxy.find(
        session,
        paging=wanted,
        number=wanted.id,
        name=wanted.name,
        key=wanted.key,
        channel_type=wanted.channel_type,
        base_url=wanted.base_url,
        keyword=wanted.keyword,
    )
    return ProxyChannels(channels=_shown(request, rows), total=total)


async def _create(
    request: Request, session: AsyncSession, caller: Principal, sent: list[ChannelIn]
) -> list[Channel]:
    wanted = [values for one in sent for values in proxy.new_channels(one)]
    if not wanted:
        raise invalid("channels", "name at least one")
    if len(wanted) > proxy.MAX_NEW:
        raise invalid("channels", f"make at most {proxy.MAX_NEW} at once")
    secrets = _runtime(request).secrets
    with spoken(proxy.NAMES):
        return [
            await service.create(session, actor=caller, secrets=secrets, **values)
            for values in wanted
        ]


def _no_balance() -> NotOffered:
    return NotOffered(
        "Balances can't be asked for: the OpenAI protocol has no such question. Look at the "
        "provider's own page."
    )
