"""A relay on a real socket: a server in this process, a real journal, a real pool."""

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn

from paifang.core.limits import Limiter
from paifang.hotpath import hot_protocol
from paifang.modules.gateway.relay import journal
from paifang.modules.gateway.relay.admission import Admission
from paifang.modules.gateway.relay.app import Relay
from paifang.modules.gateway.relay.journal import Journal, JournalFull
from paifang.modules.gateway.relay.local import LocalModels
from paifang.modules.gateway.relay.record import Record
from paifang.modules.gateway.relay.settings import RelaySettings
from paifang.modules.gateway.relay.snapshot import Channel, Group, Price, Snapshot, Timeouts, Token
from paifang.modules.gateway.relay.upstream import Pool

KEY = "pf_live_KeyOfTheTests0123456789_abcdef"
INTERNAL_KEY = b"internal key of the tests"
GROUP = Group("g1")
PRICE = Price(
    "price-1",
    0.0,
    input=1_000_000_000,
    cached_input=100_000_000,
    output=2_000_000_000,
    reasoning=3_000_000_000,
    request=5,
)
"""1,000 nanos a prompt token, 2,000 a written one, and so on, and 5 a request."""

TIMEOUTS = Timeouts(connect=2.0, first_byte=5.0, idle=5.0)


class WatchedJournal(Journal):
    """A journal whose growth can be awaited, and which can be made full."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.full = False
        self.grown = asyncio.Event()

    def append(self, record: bytes) -> None:
        """Write one record."""
        if self.full:
            raise JournalFull("full, as the test wants it")
        super().append(record)
        self.grown.set()


class RelayServer:
    """What a test needs at hand."""

    def __init__(self, relay: Relay, book: WatchedJournal, pool: Pool, url: str) -> None:
        self.relay = relay
        self.journal = book
        self.pool = pool
        self.url = url
        """With ``/v1``."""

    @property
    def records(self) -> list[Record]:
        """What is in the journal, oldest first."""
        found, _ = journal.read(self.journal.path, 0, 100_000)
        return [Record.from_bytes(data) for data in found]

    async def record(self, count: int = 1) -> Record:
        """Wait until there are so many records; return the last. There must not be more."""
        async with asyncio.timeout(10):
            while len(self.records) < count:
                self.journal.grown.clear()
                await self.journal.grown.wait()
        assert len(self.records) == count
        return self.records[-1]


def token(**fields: Any) -> Token:
    """The token of :data:`KEY`."""
    return Token(**{"id": "t1", "name": "tests", "group": GROUP, **fields})


def channel(url: str, **fields: Any) -> Channel:
    """A channel to a double."""
    values = {
        "id": "c1",
        "name": "double",
        "provider": "openai",
        "base_url": url,
        "credential": "sk-upstream-secret",
        "timeouts": TIMEOUTS,
        **fields,
    }
    return Channel(**values)


def snapshot(
    channels: Mapping[str, tuple[Channel, ...]],
    *tokens: tuple[str, Token],
    prices: Mapping[str, tuple[Price, ...]] | None = None,
    groups: tuple[Group, ...] = (GROUP,),
) -> Snapshot:
    """A snapshot with these channels by model, and tokens by key; by default one of each."""
    known = tokens or ((KEY, token()),)
    return Snapshot(
        version=1,
        tokens={hashlib.sha256(key.encode()).digest(): value for key, value in known},
        groups={group.id: group for group in groups},
        channels=channels,
        prices=dict.fromkeys(channels, (PRICE,)) if prices is None else prices,
    )


@contextlib.asynccontextmanager
async def relay_server(
    directory: Path,
    *,
    settings: RelaySettings | None = None,
    local: LocalModels | None = None,
    sock: socket.socket | None = None,
    asgi: bool = False,
) -> AsyncIterator[RelayServer]:
    """A running relay with an empty snapshot, on a socket that listens or on one of its own.

    Behind our own protocol, as ``paifang serve`` has it, or, with ``asgi``, behind uvicorn's.
    """
    book = WatchedJournal(directory)
    pool = Pool()
    relay = Relay(
        journal=book,
        pool=pool,
        admission=Admission(Limiter()),
        internal_key=INTERNAL_KEY,
        settings=settings,
        local=local,
    )
    config = uvicorn.Config(
        relay,
        port=0,
        http="httptools" if asgi else hot_protocol(relay.hot, None),
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]  # pytest's own
    serving = asyncio.create_task(server.serve(None if sock is None else [sock]))
    try:
        while not server.started:
            if serving.done():
                await serving
            await asyncio.sleep(0.005)  # uvicorn has no event for it
        port = (sock or server.servers[0].sockets[0]).getsockname()[1]
        yield RelayServer(relay, book, pool, f"http://127.0.0.1:{port}/v1")
    finally:
        await relay.close()
        server.should_exit = server.force_exit = True
        await serving
        await pool.close()
        book.close()
