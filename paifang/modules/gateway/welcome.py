"""The very first start: a group, a token and a channel for the local model, so that the first
answer comes from a real model with no account anywhere. And what later starts can offer.
"""

import asyncio

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import params
from paifang.core.auth import Principal
from paifang.core.commands import invocation
from paifang.core.db import utc_now
from paifang.core.runtime import Runtime
from paifang.core.scope import unscoped
from paifang.modules.gateway.channels import service as channels
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.local import files
from paifang.modules.gateway.local.ollama import DEFAULT_URL, find_ollama
from paifang.modules.gateway.params import LOCAL_OFFERED, WELCOMED
from paifang.modules.gateway.prices import service as prices
from paifang.modules.gateway.settings import GatewaySettings
from paifang.modules.gateway.tokens import service as tokens

STARTER = Principal(id="first-start", name="First start", kind="operator", all_permissions=True)
GROUP = "default"
TOKEN = "first"  # noqa: S105  # a name
CHANNEL = "local"

CURL = (
    "curl {url}/v1/chat/completions -H 'Authorization: Bearer {key}' "
    "-H 'Content-Type: application/json' "
    """-d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Say hello."}}]}}'"""
)


async def welcome(runtime: Runtime) -> list[str]:
    """Make what is missing, once, and return lines for whoever started Paifang.

    The only place where the first token's key is ever shown is those lines.
    """
    found = await asyncio.to_thread(files.find, runtime.settings.home)
    model = files.PACKAGED_NAME if found.get(files.PACKAGED_NAME) and not found.missing else None
    ollama = await find_ollama()
    command = invocation(runtime.settings.home)
    try:
        key, known = await _make(runtime, model)
    except IntegrityError:
        # Another process made the same at the same moment; now it is there to be found.
        key, known = await _make(runtime, model)
    return [
        *_first_call(command, model, key),
        *_missing(found.missing),
        *_offer_ollama(command, ollama, known=known),
    ]


async def _make(runtime: Runtime, model: str | None) -> tuple[str | None, bool]:
    """What is missing; the key of a token that was made, and whether Ollama is a channel."""
    key: str | None = None
    async with runtime.db.transaction() as session:
        if model is not None and not await params.get(session, param=LOCAL_OFFERED):
            await _offer_local(session, runtime, model)
        if not await params.get(session, param=WELCOMED):
            await params.put(session, param=WELCOMED, value=True)
            anybody = unscoped(select(Group.id).limit(1), "whether there is any")
            if await session.scalar(anybody) is None:
                _token, key = await tokens.create(
                    session,
                    actor=STARTER,
                    group_id=GROUP,
                    name=TOKEN,
                    auto_create_group=True,
                    group_unpriced=runtime.settings.area(GatewaySettings).unpriced,
                )
        return key, await _known_ollama(session)


async def _offer_local(session: AsyncSession, runtime: Runtime, model: str) -> None:
    await params.put(session, param=LOCAL_OFFERED, value=True)
    taken = select(Channel.id).where(Channel.name == CHANNEL).limit(1)
    if await session.scalar(taken) is not None:
        return
    await channels.create(
        session,
        actor=STARTER,
        secrets=runtime.secrets,
        name=CHANNEL,
        provider="local",
        base_url=f"local:{model}",
        models=[model],
    )
    # Said, not assumed: our own machine computes it, so it costs nothing per token.
    if await prices.current(session, model=model, at=utc_now()) is None:
        await prices.create(session, actor=STARTER, model=model, input=0, output=0)


async def _known_ollama(session: AsyncSession) -> bool:
    return (
        await session.scalar(select(Channel.id).where(Channel.provider == "ollama").limit(1))
    ) is not None


def _first_call(command: str, model: str | None, key: str | None) -> list[str]:
    if key is None:
        return [f"Make a token       {command} gateway tokens create --group default --name mine"]
    lines = [f"Your first token   {key}", "                   (shown this once; keep it)"]
    if model is not None:
        # The banner fills the address in: before it listens, the port may not be known.
        lines += [
            "",
            f"Try it ({model}: small enough for any machine, good for trying things out):",
            "",
            CURL.format(url="{url}", key=key, model=model),
        ]
    return [*lines, ""]


def _missing(reasons: tuple[str, ...]) -> list[str]:
    return [f"No local model: {reason}." for reason in reasons]


def _offer_ollama(command: str, models: list[str] | None, *, known: bool) -> list[str]:
    if not models or known:
        return []
    return [
        f"An Ollama answers at {DEFAULT_URL} with {len(models)} models. To serve them:",
        f"  {command} gateway channels add --name ollama --provider ollama",
    ]
