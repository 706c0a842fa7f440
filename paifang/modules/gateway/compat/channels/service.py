"""Finding channels as AI Proxy's API asks for them, reading its changes, and testing."""

from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.db import utc_now
from paifang.core.errors import AppError
from paifang.core.runtime import Runtime
from paifang.core.secrets import Secrets
from paifang.modules.gateway.channels import probe, service
from paifang.modules.gateway.channels.errors import LocalModelsAway
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.compat.channels.schemas import (
    HIDDEN,
    ChannelIn,
    ProxyChannel,
    ProxyTest,
)
from paifang.modules.gateway.compat.channels.types import is_type, upstream
from paifang.modules.gateway.compat.errors import ChannelNotTested, NotOffered
from paifang.modules.gateway.compat.lists import Paging, fetch, moment_or_never, ordering
from paifang.modules.gateway.compat.values import invalid, status_word
from paifang.modules.gateway.local.manager import LocalModels

NAMES = {"credential": "key", "provider": "type"}
"""Fields of a channel as this API calls them."""
MAX_NEW = 100
"""Channels made by one request."""
_MAX_INT = 2**63 - 1
ORDERS = {
    "id": Channel.number,
    "name": Channel.name,
    "type": Channel.provider,
    "status": Channel.status,
    "priority": Channel.priority,
    "used_amount": Channel.used,
    "request_count": Channel.requests,
    "created_at": Channel.created_at,
    "test_at": moment_or_never(Channel.tested_at),
}


async def find(
    session: AsyncSession,
    *,
    paging: Paging,
    number: int | None = None,
    name: str | None = None,
    key: str | None = None,
    channel_type: int | None = None,
    base_url: str | None = None,
    keyword: str | None = None,
) -> tuple[list[Channel], int]:
    """A page of channels and their bounded total.

    Args:
        session: Any session.
        paging: Which page, in which order.
        number: The integer id.
        name: The whole name.
        key: Not possible.
        channel_type: That service's number.
        base_url: The whole base URL.
        keyword: The id or type, or part of the name or base URL.

    Raises:
        Invalid: there is no such order.
        NotOffered: credentials can't be searched.
    """
    if key:
        raise NotOffered("Channels can't be found by key: credentials are stored encrypted.")
    statement = select(Channel).order_by(ordering(paging.order, ORDERS), Channel.number)
    if number:
        statement = statement.where(Channel.number == number)
    if name:
        statement = statement.where(Channel.name == name)
    if channel_type:
        statement = statement.where(is_type(channel_type))
    if base_url:
        statement = statement.where(Channel.base_url == base_url)
    if keyword:
        parts = [
            column.icontains(keyword, autoescape=True)
            for column in (Channel.name, Channel.base_url)
        ]
        if keyword.isdecimal() and int(keyword) <= _MAX_INT:
            parts += [Channel.number == int(keyword), is_type(int(keyword))]
        statement = statement.where(or_(*parts))
    return await fetch(session, statement, paging)


async def everything(session: AsyncSession, *, only_disabled: bool = False) -> list[Channel]:
    """All channels, the newest first."""
    statement = select(Channel).order_by(Channel.number.desc())
    if only_disabled:
        statement = statement.where(Channel.status == "disabled")
    return list(await session.scalars(statement))


def new_channels(sent: ChannelIn) -> list[dict[str, Any]]:
    """What was sent for a new channel, as the service takes it: one for each key.

    Raises:
        Invalid: something is missing or not supported; a key is only what is shown of one.
    """
    if sent.type is None:
        raise invalid("type", "is missing")
    if not (sent.name or "").strip():
        raise invalid("name", "is missing")
    _check_unsupported(sent)
    name = str(sent.name).strip()
    provider, base_url = upstream(sent.type, sent.base_url or "")
    values: dict[str, Any] = {
        "provider": provider,
        "base_url": base_url,
        "models": sent.models or [],
        "model_mapping": sent.model_mapping or {},
        "priority": sent.priority or 0,
        "status": status_word(sent.status) if sent.status else "enabled",
    }
    found = [key.strip() for key in (sent.key or "").splitlines() if key.strip()]
    if any(key.startswith(HIDDEN) for key in found):
        raise invalid("key", "this is what is shown of a credential; send the credential itself")
    keys: list[str | None] = [*found] or [None]
    return [
        {**values, "name": name if place == 1 else f"{name} {place}", "credential": key}
        for place, key in enumerate(keys, 1)
    ]


def changes(sent: ChannelIn, channel: Channel, secrets: Secrets) -> dict[str, Any]:
    """What was sent that differs from what is shown, as the service takes it.

    Raises:
        Invalid: something is not supported.
    """
    _check_unsupported(sent)
    shown = ProxyChannel.of(channel, secrets)
    values: dict[str, Any] = {}
    for field in ("name", "models", "model_mapping", "priority"):
        value = getattr(sent, field)
        if value is not None and value != getattr(shown, field):
            values[field] = value
    if sent.status is not None and sent.status != shown.status:
        values["status"] = status_word(sent.status)
    if sent.key and not sent.key.startswith(HIDDEN):
        values["credential"] = sent.key
    type_ = shown.type if sent.type is None else sent.type
    url = (sent.base_url or "").strip() or (shown.base_url if type_ == shown.type else "")
    if type_ != shown.type or url != shown.base_url:
        values["provider"], values["base_url"] = upstream(type_, url)
        if channel.credential is not None and "credential" not in values:
            _check_same_server(channel.base_url, values["base_url"])
    return values


async def try_channel(
    runtime: Runtime, *, actor: Principal, channel: Channel, model: str | None = None
) -> ProxyTest:
    """Ask the upstream, outside any transaction, and keep the result with the channel.

    Raises:
        Invalid: the channel does not serve the model.
        CredentialUnreadable: the credential can't be decrypted.
        ChannelNotTested: this process runs no local models.
    """
    if model is not None and model not in channel.models:
        raise invalid("model", f"the channel {channel.name} does not serve {model}")
    at = utc_now()
    try:
        tested = await probe.test_channel(
            service.for_relay(channel, secrets=runtime.secrets),
            models=channel.models,
            model=model,
            local=runtime.parts.get(LocalModels),
        )
    except LocalModelsAway as error:
        raise ChannelNotTested(error.detail) from error
    async with runtime.db.transaction() as session:
        await service.record_test(
            session,
            actor=actor,
            channel_id=channel.id,
            at=at,
            ms=tested.ms,
            error=tested.error,
        )
    return shown_test(channel, error=tested.error, ms=tested.ms)


async def try_or_say_why(runtime: Runtime, *, actor: Principal, channel: Channel) -> ProxyTest:
    """:func:`try_channel`, with what it raises as a failed test: the other channels go on."""
    try:
        return await try_channel(runtime, actor=actor, channel=channel)
    except AppError as error:
        return shown_test(channel, error=error.detail)


def shown_test(channel: Channel, *, error: str | None, ms: int | None = None) -> ProxyTest:
    """The result of a test."""
    return ProxyTest(
        id=channel.number,
        name=channel.name,
        success=error is None,
        message=error or "",
        time=(ms or 0) / 1000,
    )


def _check_same_server(before: str, after: str) -> None:
    """What the service checks, too, in words that fit here, where null does not remove a key."""
    try:
        old, new = urlsplit(before), urlsplit(after)
    except ValueError:
        return  # the service says what is wrong with it
    if (old.scheme, old.netloc) != (new.scheme, new.netloc):
        raise invalid(
            "key",
            "send it in full, because the base URL names another server; for one that needs no "
            "key, make a new channel",
        )


def _check_unsupported(sent: ChannelIn) -> None:
    if sent.other:
        raise invalid("other", "is not supported; leave it empty")
    if used := [name for name, value in (sent.config or {}).items() if value]:
        raise invalid(
            "config",
            f"{', '.join(used[:5])}: not supported; the supported types need a base_url and a key",
        )
