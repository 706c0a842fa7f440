"""Starts the gateway's parts in a process and takes them down in the right order."""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paifang.core.cache import Cache, open_cache
from paifang.core.db import installation_id
from paifang.core.limits import Limiter
from paifang.core.runtime import Runtime
from paifang.modules.gateway.local.manager import LocalModels
from paifang.modules.gateway.logs.flusher import Flusher
from paifang.modules.gateway.processes import sharing
from paifang.modules.gateway.processes.guard import Guard
from paifang.modules.gateway.relay.admission import Admission
from paifang.modules.gateway.relay.app import Relay
from paifang.modules.gateway.relay.journal import Journal
from paifang.modules.gateway.relay.settings import RelaySettings
from paifang.modules.gateway.relay.shared import SharedAdmission
from paifang.modules.gateway.relay.upstream import Pool
from paifang.modules.gateway.settings import GatewaySettings
from paifang.modules.gateway.snapshot.budgets import Budgets
from paifang.modules.gateway.snapshot.loader import MESSAGES, VERSION, Loader

if TYPE_CHECKING:
    from paifang.modules.gateway.metrics import GatewayCollector

log = logging.getLogger("paifang.gateway")


@dataclass
class Gateway:
    """What runs in a process that serves the gateway."""

    relay: Relay
    loader: Loader
    flusher: Flusher
    local: LocalModels


async def start_gateway(runtime: Runtime) -> Callable[[], Awaitable[None]]:
    """Guard, journal, relay, snapshot and flusher; returns what stops them.

    A process that does not serve the gateway starts none of them: its changes reach the others
    through the version row, and sooner through Redis when there is one.

    Raises:
        StartRefused: another process serves the gateway, and the two would not share their limits.
    """
    if "gateway" not in runtime.roles:
        return await _tell_others(runtime)
    settings = runtime.settings.area(GatewaySettings)
    async with contextlib.AsyncExitStack() as undo:
        cache = await _open_cache(runtime)
        undo.push_async_callback(cache.close)
        guard = Guard(
            database=runtime.db,
            home=runtime.settings.home,
            shares=sharing.REDIS if cache.shared else "",
            is_stopping=lambda: runtime.draining,
        )
        # Before the others can see this process, and so that they find it in the same Redis. What
        # it has leased goes back when its last call is in the books.
        limits = await sharing.join(runtime, cache, guard.id, undo)
        await guard.enter()
        # Left late: whoever takes the place then finds every call in the books.
        undo.push_async_callback(guard.leave)
        if limits is not None:
            await sharing.meet_others(runtime, limits)
        local = LocalModels(runtime.settings.home, settings.local)
        undo.push_async_callback(local.close)
        runtime.parts[LocalModels] = local
        if settings.welcome and runtime.first_start:
            from paifang.modules.gateway.welcome import welcome  # noqa: PLC0415  # `up` alone

            runtime.notes += await welcome(runtime)

        folder = runtime.settings.home / "journal"
        journal = Journal(folder)
        flusher = Flusher(
            database=runtime.db,
            directory=folder,
            journal=journal,
            interval=settings.flush_seconds,
            watcher=None if limits is None else sharing.Books(runtime.db, limits),
        )
        undo.push_async_callback(flusher.stop)
        # Closed before the flusher stops, so that its last flush can remove the segment.
        undo.callback(journal.close)
        # Calls of a process that was killed belong into the budgets before the first new one.
        await flusher.flush()
        flusher.start()

        pool = Pool()
        undo.push_async_callback(pool.close)
        relay = Relay(
            journal=journal,
            pool=pool,
            admission=Admission(Limiter()) if limits is None else SharedAdmission(limits),
            internal_key=runtime.secrets.secret_key,
            local=local,
            settings=RelaySettings(
                max_body_bytes=settings.max_body_bytes, max_attempts=settings.max_attempts
            ),
        )
        undo.push_async_callback(relay.close)
        loader = Loader(
            database=runtime.db,
            secrets=runtime.secrets,
            use=relay.use,
            poll_seconds=settings.poll_seconds,
            cache=cache,
        )
        await loader.start()
        undo.push_async_callback(loader.close)

        budgets = Budgets(runtime.db, loader)
        budgets.start()
        undo.push_async_callback(budgets.close)

        gateway = Gateway(relay=relay, loader=loader, flusher=flusher, local=local)
        runtime.parts[Gateway] = gateway
        runtime.hot.update(relay.hot)
        runtime.collectors.append(lambda: _collector(gateway))
        runtime.ready["snapshot"] = _snapshot_ready(loader)

        async def drain(seconds: float) -> None:
            relay.drain()
            if not await relay.wait_idle(seconds):
                log.warning("%d calls are cut off by the end of the drain", relay.in_flight)
            await relay.close()

        runtime.drains.append(drain)
        kept = undo.pop_all()
    return kept.aclose


def _collector(gateway: Gateway) -> "GatewayCollector":
    from paifang.modules.gateway.metrics import GatewayCollector  # noqa: PLC0415  # for scrapers

    return GatewayCollector(gateway.relay, gateway.flusher, gateway.local)


def _snapshot_ready(loader: Loader) -> Callable[[], Awaitable[str]]:
    async def ask() -> str:
        return "no snapshot has been loaded" if loader.version is None else ""

    return ask


async def _tell_others(runtime: Runtime) -> Callable[[], Awaitable[None]]:
    cache = await _open_cache(runtime)
    if cache.shared:

        async def tell() -> None:
            await cache.publish(MESSAGES, b"")

        runtime.db.on_version(VERSION, tell)
    return cache.close


async def _open_cache(runtime: Runtime) -> Cache:
    return open_cache(runtime.settings.redis, installation=await installation_id(runtime.db))


def relay_mount(runtime: Runtime) -> Relay | None:
    """What answers ``/v1``; None in a process that does not serve the gateway."""
    gateway: Gateway | None = runtime.parts.get(Gateway)
    return None if gateway is None else gateway.relay
