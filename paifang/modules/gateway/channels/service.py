"""Channels: the only place that writes them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict, Unpack
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, SecretStr, ValidationError
from sqlalchemy import Text, cast, select
from sqlalchemy import update as update_rows
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit
from paifang.core.auth import Principal
from paifang.core.db import bump_version, next_number
from paifang.core.errors import Invalid, words
from paifang.core.pagination import Page, PageQuery, order_by, paginate
from paifang.core.secrets import Secrets, SecretsError
from paifang.modules.gateway.channels.errors import (
    ChannelNameTaken,
    ChannelNotFound,
    CredentialUnreadable,
)
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.channels.providers import manner_of, normal_base_url
from paifang.modules.gateway.channels.schemas import ChannelCreate, ChannelUpdate
from paifang.modules.gateway.relay import snapshot

SORTS = {
    "name": Channel.name,
    "number": Channel.number,
    "provider": Channel.provider,
    "priority": Channel.priority,
    "status": Channel.status,
    "used": Channel.used,
    "requests": Channel.requests,
    "created_at": Channel.created_at,
}


class ChannelChanges(TypedDict, total=False):
    """What of a channel may be changed; a field that is left out stays."""

    name: str
    provider: str
    base_url: str
    credential: str | None
    models: Sequence[str]
    model_mapping: Mapping[str, str]
    priority: int
    weight: int
    connect_timeout: float
    first_byte_timeout: float
    idle_timeout: float
    status: str


async def list_page(
    session: AsyncSession,
    *,
    paging: PageQuery,
    provider: str | None = None,
    status: str | None = None,
    model: str | None = None,
    search: str | None = None,
) -> Page[Channel]:
    """A page of channels; ``model`` (one they serve) and ``search`` (part of the name) ignore case.

    Raises:
        Invalid: ``paging.sort`` names no column of :data:`SORTS`.
    """
    # The number breaks ties, so that no page repeats or misses a row.
    order = (order_by(paging.sort, SORTS, "name"), Channel.number)
    statement = select(Channel).order_by(*order)
    if provider is not None:
        statement = statement.where(Channel.provider == provider)
    if status is not None:
        statement = statement.where(Channel.status == status)
    if model is not None:
        # As text, because the three databases have three ways into JSON. A quote inside a
        # name is escaped there, so the quotes around it make this the whole name.
        text = cast(Channel.models, Text)
        statement = statement.where(text.icontains(json.dumps(model.strip()), autoescape=True))
    if search:
        statement = statement.where(Channel.name.icontains(search, autoescape=True))
    return await paginate(session, statement, paging=paging, read=lambda channel: channel)


async def get(session: AsyncSession, *, channel_id: UUID) -> Channel:
    """One channel.

    Raises:
        ChannelNotFound: there is none.
    """
    channel = await session.get(Channel, channel_id)
    if channel is None:
        raise ChannelNotFound(f"There is no channel {channel_id}.")
    return channel


async def find_by_number(session: AsyncSession, *, number: int) -> Channel:
    """One channel by its integer id.

    Raises:
        ChannelNotFound: there is none.
    """
    channel = await session.scalar(select(Channel).where(Channel.number == number))
    if channel is None:
        raise ChannelNotFound(f"There is no channel {number}.")
    return channel


async def create(
    session: AsyncSession,
    *,
    actor: Principal,
    secrets: Secrets,
    name: str,
    provider: str,
    base_url: str = "",
    credential: str | None = None,
    models: Sequence[str] = (),
    model_mapping: Mapping[str, str] | None = None,
    priority: int = 0,
    weight: int = 1,
    connect_timeout: float = 5.0,
    first_byte_timeout: float = 120.0,
    idle_timeout: float = 60.0,
    status: str = "enabled",
) -> Channel:
    """Make a channel; an empty ``base_url`` is the provider's own.

    Raises:
        Invalid: a value can't be right; the error names the field.
        ChannelNameTaken: another channel has the name.
    """
    given = {
        "name": name,
        "provider": provider,
        "base_url": base_url,
        "credential": credential,
        "models": list(models),
        "model_mapping": dict(model_mapping or {}),
        "priority": priority,
        "weight": weight,
        "connect_timeout": connect_timeout,
        "first_byte_timeout": first_byte_timeout,
        "idle_timeout": idle_timeout,
        "status": status,
    }
    values = _checked(ChannelCreate, given)
    audited = _audited({}, values)
    sealed = _sealed(values.pop("credential"), secrets)
    channel = Channel(**values, credential=sealed)
    _check_together(channel)
    await _check_name(session, channel)
    channel.number = await next_number(session, "channels")
    session.add(channel)
    await session.flush()
    audited["base_url"] = channel.base_url
    await _changed(session, actor, "create", channel, audited)
    return channel


async def update(
    session: AsyncSession,
    *,
    actor: Principal,
    secrets: Secrets,
    channel_id: UUID,
    **changes: Unpack[ChannelChanges],
) -> Channel:
    """Change a channel. ``credential=None`` removes the stored one; left out, it stays.

    Raises:
        ChannelNotFound: there is none.
        Invalid: a value can't be right, alone or beside what stays.
        ChannelNameTaken: another channel has the name.
    """
    values = _checked(ChannelUpdate, dict(changes))
    channel = await session.get(Channel, channel_id, with_for_update=True)
    if channel is None:
        raise ChannelNotFound(f"There is no channel {channel_id}.")
    before = {name: getattr(channel, name) for name in (*values, "base_url")}
    if "credential" in values:
        values["credential"] = _sealed(values["credential"], secrets)
    for name, value in values.items():
        setattr(channel, name, value)
    with session.no_autoflush:
        _check_together(channel)
        if "credential" not in values:
            _check_destination(channel, before["base_url"])
        if "name" in values:
            await _check_name(session, channel)
    values["base_url"] = channel.base_url  # another provider may spell it otherwise
    audited = _audited(before, values)
    if audited:
        await _changed(session, actor, "update", channel, audited)
    return channel


async def delete(session: AsyncSession, *, actor: Principal, channel_id: UUID) -> None:
    """Delete a channel. Its logs stay and keep its name.

    Raises:
        ChannelNotFound: there is none.
    """
    channel = await get(session, channel_id=channel_id)
    await session.delete(channel)
    await _changed(session, actor, "delete", channel, {"name": channel.name})


async def record_test(
    session: AsyncSession,
    *,
    actor: Principal,
    channel_id: UUID,
    at: datetime,
    ms: int | None,
    error: str | None,
) -> None:
    """Keep the result of a test; one of a channel that is gone meanwhile is dropped."""
    changed = await session.execute(
        update_rows(Channel)
        .where(Channel.id == channel_id)
        .values(
            tested_at=at,
            test_ms=ms,
            test_error=error[:500] if error is not None else None,
            updated_at=Channel.updated_at,  # a test changes nothing about the channel
        )
    )
    if changed.rowcount == 0:  # type: ignore[attr-defined]  # an UPDATE's result has it
        return
    audit.record(
        session,
        actor=actor,
        action="gateway.channel.test",
        subject_type="channel",
        subject_id=str(channel_id),
        changes={"ok": error is None},
    )


async def rotate_credentials(session: AsyncSession, *, actor: Principal, secrets: Secrets) -> int:
    """Encrypt every credential anew with the current key; says how many.

    Afterwards the older keys are needed no more.

    Raises:
        CredentialUnreadable: none of the keys fits one of them; nothing is changed then.
    """
    statement = select(Channel).where(Channel.credential.is_not(None)).with_for_update()
    channels = list(await session.scalars(statement))
    for channel in channels:
        channel.credential = _sealed(open_credential(channel, secrets=secrets), secrets)
    audit.record(
        session,
        actor=actor,
        action="gateway.channel.rotate",
        subject_type="channel",
        subject_id="*",
        changes={"channels": len(channels)},
    )
    return len(channels)


def open_credential(channel: Channel, *, secrets: Secrets) -> str:
    """The credential in the clear; empty when there is none.

    Raises:
        CredentialUnreadable: none of the keys fits.
    """
    if channel.credential is None:
        return ""
    try:
        return secrets.decrypt(channel.credential.encode())
    except SecretsError as error:
        raise CredentialUnreadable(
            f"The credential of channel {channel.name} can't be decrypted: "
            "PAIFANG_ENCRYPTION_KEYS (or encryption.keys in the home folder) lacks the key it was "
            "written with. Add that key, or store the credential again."
        ) from error


def for_relay(channel: Channel, *, secrets: Secrets) -> snapshot.Channel:
    """The channel as the relay knows it, with its credential in the clear.

    Raises:
        CredentialUnreadable: none of the keys fits.
    """
    return snapshot.Channel(
        id=str(channel.id),
        name=channel.name,
        provider=channel.provider,
        base_url=channel.base_url,
        credential=open_credential(channel, secrets=secrets),
        model_mapping=dict(channel.model_mapping),
        priority=channel.priority,
        weight=channel.weight,
        timeouts=snapshot.Timeouts(
            connect=channel.connect_timeout,
            first_byte=channel.first_byte_timeout,
            idle=channel.idle_timeout,
        ),
        **manner_of(channel.provider),
    )


def _checked(schema: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, in the schema's types."""
    try:
        return schema.model_validate(dict(given)).model_dump(exclude_unset=True)
    except ValidationError as error:
        problems = [
            {"field": ".".join(map(str, item["loc"])), "message": words(item["msg"])}
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        first = problems[0]
        raise Invalid(f"{first['field']}: {first['message']}", errors=problems) from None


def _check_together(channel: Channel) -> None:
    """Check what depends on more than one field, and bring the base URL into its stored form."""
    try:
        channel.base_url = normal_base_url(channel.provider, channel.base_url)
    except ValueError as error:
        raise _invalid("base_url", str(error)) from None
    strangers = [name for name in channel.model_mapping if name not in channel.models]
    if strangers:
        raise _invalid(
            "model_mapping",
            f"it maps models that the channel does not serve: {', '.join(strangers[:5])}; add "
            "them to models",
        )


def _check_destination(channel: Channel, before: str) -> None:
    """A stored credential goes only where it was meant to go: whoever may change a channel must
    not be able to read its credential by pointing it at a server of their own.
    """
    old, new = urlsplit(before), urlsplit(channel.base_url)
    if channel.credential is not None and (old.scheme, old.netloc) != (new.scheme, new.netloc):
        raise _invalid(
            "credential", "send it again (or null) when the base URL names another server"
        )


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])


async def _check_name(session: AsyncSession, channel: Channel) -> None:
    statement = select(Channel.id).where(Channel.name == channel.name)
    if channel.id is not None:
        statement = statement.where(Channel.id != channel.id)
    if await session.scalar(statement) is not None:
        raise ChannelNameTaken(f"A channel named {channel.name} exists; choose another name.")


def _sealed(credential: SecretStr | str | None, secrets: Secrets) -> str | None:
    if isinstance(credential, SecretStr):
        credential = credential.get_secret_value()
    return secrets.encrypt(credential).decode() if credential else None


def _audited(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The changes for the audit trail, without the credential itself."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name == "credential":
            if value is not None:
                changes[name] = "set"
            elif before.get(name) is not None:
                changes[name] = "removed"
        elif name not in before:
            changes[name] = value
        elif before[name] != value:
            changes[name] = [before[name], value]
    return changes


async def _changed(
    session: AsyncSession,
    actor: Principal,
    verb: str,
    channel: Channel,
    changes: dict[str, Any],
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"gateway.channel.{verb}",
        subject_type="channel",
        subject_id=str(channel.id),
        changes=changes,
    )
    await bump_version(session, "gateway")
