"""What ``paifang doctor`` says about the gateway."""

import asyncio

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from paifang.core.commands import invocation
from paifang.core.module import Finding
from paifang.core.runtime import Runtime
from paifang.core.scope import unscoped
from paifang.core.secrets import SecretsError
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.local import files
from paifang.modules.gateway.logs.flusher import REJECTED
from paifang.modules.gateway.prices import service as prices
from paifang.modules.gateway.processes.guard import list_alive
from paifang.modules.gateway.processes.models import GatewayProcess
from paifang.modules.gateway.tokens.models import Token


async def look(runtime: Runtime) -> list[Finding]:
    """Local models, gateway processes, channels, prices and tokens."""
    command = invocation(runtime.settings.home)
    found = await asyncio.to_thread(files.find, runtime.settings.home)
    findings = _local(found) + _rejected(runtime)
    try:
        serving = await list_alive(runtime.db, runtime.settings.home)
        async with runtime.db.reading() as session:
            channels = list(await session.scalars(select(Channel).order_by(Channel.name)))
            tokens = await session.scalar(
                unscoped(select(func.count()).select_from(Token), "whether there is any")
            )
            unpriced = [s.model for s in await prices.served_models(session) if s.price is None]
    except SQLAlchemyError:
        return findings  # the check of the database says what is wrong with it
    findings += [_process(process) for process in serving]
    findings += [_channel(runtime, channel, found, command) for channel in channels]
    if not channels:
        findings.append(
            Finding(
                "off",
                "channels",
                "there is none, so no model answers",
                f"{command} gateway channels add --help",
            )
        )
    if unpriced:
        findings.append(
            Finding(
                "warning",
                "prices",
                f"no price for {', '.join(unpriced[:10])}: their calls are flagged as unpriced",
                f"{command} gateway prices set MODEL --input … --output …",
            )
        )
    if not tokens:
        findings.append(
            Finding(
                "off",
                "tokens",
                "there is none, so nobody can call",
                f"{command} gateway tokens create --group default --name mine",
            )
        )
    return findings


def _process(process: GatewayProcess) -> Finding:
    limits = "shares its limits through Redis" if process.shares else "its limits are its own"
    return Finding("ok", "gateway process", f"{process.place}; {limits}")


def _rejected(runtime: Runtime) -> list[Finding]:
    path = runtime.settings.home / "journal" / REJECTED
    if not path.exists():
        return []
    return [
        Finding(
            "warning",
            "logs",
            f"{path} holds calls that the database refused; they are not billed",
            "each line says why; look, then move the file away",
        )
    ]


def _local(found: files.LocalFiles) -> list[Finding]:
    findings = [
        Finding("off", "local models", reason, "until then, channels of other providers work")
        for reason in found.missing
    ]
    for model in found.models:
        if model.problem:
            findings.append(Finding("warning", f"local model {model.name}", model.problem))
        elif not found.missing:
            findings.append(Finding("ok", f"local model {model.name}", str(model.path)))
    return findings


def _channel(runtime: Runtime, channel: Channel, found: files.LocalFiles, command: str) -> Finding:
    name = f"channel {channel.name}"
    if channel.credential is not None:
        try:
            runtime.secrets.decrypt(channel.credential.encode())
        except SecretsError as error:
            return Finding("warning", name, str(error), "give it its credential again")
    if channel.status != "enabled":
        return Finding("off", name, "disabled")
    model = channel.base_url.removeprefix("local:")
    if channel.provider == "local" and found.get(model) is None:
        return Finding(
            "warning",
            name,
            f"there is no local model {model}",
            f"put its .gguf file into {files.models_folder(runtime.settings.home)}",
        )
    if channel.test_error:
        return Finding(
            "warning",
            name,
            f"its last test failed: {channel.test_error}",
            f"{command} gateway channels test {channel.name}",
        )
    return Finding("ok", name, f"{channel.provider}: {', '.join(channel.models[:5])}")
