"""``paifang gateway channels``."""

import contextlib
import sys
from collections.abc import AsyncIterator
from typing import TypedDict

import click
from sqlalchemy import select

from paifang.core.commands import (
    OPERATOR,
    json_option,
    page_option,
    page_query,
    print_json,
    print_list,
    runtime_command,
)
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.modules.gateway.channels import probe, service
from paifang.modules.gateway.channels.errors import ModelsNotListed, UpstreamFailed
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.channels.providers import PROVIDERS, Provider
from paifang.modules.gateway.commands.options import PROVIDER
from paifang.modules.gateway.local.manager import LocalModels
from paifang.modules.gateway.relay import snapshot
from paifang.modules.gateway.settings import GatewaySettings


@click.group()
def channels() -> None:
    """The upstreams: a provider at a base URL with its credential and models."""


def _shown(channel: Channel) -> dict[str, object]:
    return {
        "name": channel.name,
        "provider": channel.provider,
        "base_url": channel.base_url,
        "credential": channel.credential is not None,
        "models": channel.models,
        "priority": channel.priority,
        "weight": channel.weight,
        "status": channel.status,
        "tested_at": channel.tested_at,
        "test_ms": channel.test_ms,
        "test_error": channel.test_error,
    }


@channels.command("list")
@page_option
@json_option
@runtime_command
async def list_channels(runtime: Runtime, *, page: int, as_json: bool) -> None:
    """List channels."""
    async with runtime.db.reading() as session:
        found = await service.list_page(session, paging=page_query(page))
    columns = ["name", "provider", "base_url", "priority", "status", "models"]
    print_list(found, _shown, columns, as_json=as_json)


@channels.command("add")
@click.option("--name", required=True, help="Unique.")
@click.option(
    "--provider",
    type=PROVIDER,
    default="openai",
    show_default=True,
    help="See paifang gateway providers list; openai is any OpenAI-compatible URL.",
)
@click.option(
    "--base-url", default="", help="Everything before /chat/completions.  [default: the provider's]"
)
@click.option("--credential-stdin", is_flag=True, help="Read the credential from standard input.")
@click.option(
    "--model", "models", multiple=True, help="A model; repeatable.  [default: all it lists]"
)
@click.option("--priority", type=int, default=0, show_default=True, help="Higher is tried first.")
@click.option("--weight", type=int, default=1, show_default=True, help="Share in one priority.")
@json_option
@runtime_command
async def add_channel(
    runtime: Runtime,
    *,
    name: str,
    provider: str,
    base_url: str,
    credential_stdin: bool,
    models: tuple[str, ...],
    priority: int,
    weight: int,
    as_json: bool,
) -> None:
    """Add a channel. Without --model the upstream is asked which models it has.

    The credential never stands on the command line, where other users could see it.
    """
    _check_credential(PROVIDERS[provider], given=credential_stdin or bool(base_url))
    draft = Draft(
        name=name,
        provider=provider,
        base_url=base_url,
        credential=_credential() if credential_stdin else None,
        priority=priority,
        weight=weight,
    )
    models = models or tuple(await _listed(runtime, draft))
    async with runtime.db.transaction() as session:
        channel = await service.create(
            session, actor=OPERATOR, secrets=runtime.secrets, models=models, **draft
        )
    if as_json:
        print_json(_shown(channel))
    else:
        click.echo(f"Added {name} with {len(models)} models: {', '.join(models)}")


def _check_credential(provider: Provider, *, given: bool) -> None:
    """A provider's own address answers nobody without a credential."""
    if provider.needs_credential and not given:
        raise click.ClickException(
            f"{provider.label} needs a credential: give it with --credential-stdin. You get one at "
            f"{provider.keys_url}"
        )


class Draft(TypedDict):
    """A channel that is not there yet."""

    name: str
    provider: str
    base_url: str
    credential: str | None
    priority: int
    weight: int


async def _listed(runtime: Runtime, draft: Draft) -> list[str]:
    """The models its upstream lists; nothing is stored."""
    # A reading session keeps nothing: this only checks the values, before the network is asked.
    async with runtime.db.reading() as session:
        channel = await service.create(session, actor=OPERATOR, secrets=runtime.secrets, **draft)
        asked = service.for_relay(channel, secrets=runtime.secrets)
    click.echo(f"asking {asked.base_url} for its models …", err=True)
    try:
        async with _local_models(runtime, asked.provider) as local:
            listed = await probe.list_upstream_models(asked, local=local)
    except (ModelsNotListed, UpstreamFailed) as failure:
        raise _unlisted(failure.detail) from failure
    if not listed:
        raise _unlisted("It lists no models.")
    return listed


def _unlisted(why: str) -> UpstreamFailed:
    return UpstreamFailed(
        f"{why} Nothing was added; name the models with --model to add it anyway."
    )


@channels.command("test")
@click.argument("name")
@click.option("--model", help="Also make a real call to this model, which may cost money.")
@json_option
@runtime_command
async def test_channel(runtime: Runtime, *, name: str, model: str | None, as_json: bool) -> None:
    """Ask the channel NAME whether it answers."""
    channel = await _by_name(runtime, name)
    click.echo(f"asking {channel.base_url} …", err=True)
    at = utc_now()
    async with _local_models(runtime, channel.provider) as local:
        tested = await probe.test_channel(
            _relay_channel(runtime, channel), models=channel.models, model=model, local=local
        )
    async with runtime.db.transaction() as session:
        await service.record_test(
            session,
            actor=OPERATOR,
            channel_id=channel.id,
            at=at,
            ms=tested.ms,
            error=tested.error,
        )
    if as_json:
        print_json(
            {
                "ok": tested.error is None,
                "ms": tested.ms,
                "error": tested.error,
                "missing_models": tested.missing_models,
            }
        )
    elif tested.error is None:
        click.echo(f"{name} answers, in {tested.ms} ms.")
        if tested.missing_models:
            click.echo(f"It does not list: {', '.join(tested.missing_models)}")
    if tested.error is not None:
        raise click.ClickException(tested.error)


@channels.command("remove")
@click.argument("name")
@runtime_command
async def remove_channel(runtime: Runtime, *, name: str) -> None:
    """Remove the channel NAME. The logs of its calls stay."""
    channel = await _by_name(runtime, name)
    async with runtime.db.transaction() as session:
        await service.delete(session, actor=OPERATOR, channel_id=channel.id)
    click.echo(f"Removed {name}.")


@channels.command("rotate-credentials")
@runtime_command
async def rotate_credentials(runtime: Runtime) -> None:
    """Encrypt all stored credentials afresh with the current key.

    Put a new key in front of PAIFANG_ENCRYPTION_KEYS (or of encryption.keys in the home folder),
    restart, run this, then take the old key away.
    """
    async with runtime.db.transaction() as session:
        count = await service.rotate_credentials(session, actor=OPERATOR, secrets=runtime.secrets)
    click.echo(f"Encrypted {count} credentials with the current key.")


async def _by_name(runtime: Runtime, name: str) -> Channel:
    async with runtime.db.reading() as session:
        channel = await session.scalar(select(Channel).where(Channel.name == name))
    if channel is None:
        raise click.ClickException(
            f"there is no channel named {name}; `paifang gateway channels list` shows them"
        )
    return channel


def _relay_channel(runtime: Runtime, channel: Channel) -> snapshot.Channel:
    return service.for_relay(channel, secrets=runtime.secrets)


@contextlib.asynccontextmanager
async def _local_models(runtime: Runtime, provider: str) -> AsyncIterator[LocalModels | None]:
    """A local model of this command's own, for as long as it asks."""
    if provider != "local":
        yield None
        return
    local = LocalModels(runtime.settings.home, runtime.settings.area(GatewaySettings).local)
    try:
        yield local
    finally:
        await local.close()


def _credential() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Credential", hide_input=True, err=True))
    return sys.stdin.readline().strip()
