"""Clients that leave with the whole answer, before the provider has said what it counted."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from doubles.hostile_upstream import (
    DONE,
    FINISH,
    STREAM_HEAD,
    HostileUpstream,
    Peer,
    Script,
    again,
    chunk,
    event,
    forever,
    hang,
    wait,
)
from doubles.raw_client import RawClient, chat, connected, request
from doubles.relay_server import KEY, RelayServer, channel, relay_server, snapshot, token
from paifang.modules.gateway.relay.settings import RelaySettings
from paifang.modules.gateway.relay.snapshot import Limits
from paifang.modules.gateway.relay.sse import StreamMeter

BEGIN = [STREAM_HEAD, chunk(event("42")), chunk(FINISH)]
NUMBERS = {
    "prompt_tokens": 3,
    "completion_tokens": 5000,
    "total_tokens": 5003,
    "completion_tokens_details": {"reasoning_tokens": 4998},
}
COUNT = event("", choices=[], usage=NUMBERS)
COUNT_BESIDE_A_CHOICE = event("", usage=NUMBERS)
LAST = b"0\r\n\r\n"
COST = 3 * 1000 + 2 * 2000 + 4998 * 3000 + 5
ESTIMATE = 1
"""Model tokens that "42" is taken for."""


LEAVE: dict[str, Callable[[RawClient], None]] = {
    "fin": RawClient.half_close,
    "rst": RawClient.reset,
}


async def gone_at_finish(server: RelayServer, upstream: HostileUpstream, how: str = "rst") -> None:
    """Read a stream until the model has finished, and leave."""
    limited = token(limits=Limits(concurrency=1), quota=10**9)
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}, (KEY, limited)))
    async with connected(int(server.url.split(":")[2].split("/")[0])) as client:
        await client.send(request(chat(stream=True), key=KEY))
        await client.bytes_until(b'"stop"')
        await client.bytes_until(b"\r\n")
        LEAVE[how](client)
        if how == "fin":
            assert await client.closed() == b""


async def at_rest(server: RelayServer) -> None:
    """One record, and nothing is held."""
    assert await server.relay.wait_idle(10)
    assert len(server.records) == 1
    admission = server.relay.admission
    assert admission.ledger._held == {}
    assert admission.limiter.held(("key", "t1", "concurrency")) == 0
    assert admission.ledger.spent("t1") == server.records[0].cost
    assert server.relay.young == set()


@pytest.mark.parametrize("server", ["own", "asgi"], indirect=True)
@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize(
    "rest",
    [
        [chunk(COUNT + DONE), LAST, again],
        [chunk(COUNT), wait(0.05), chunk(DONE), LAST, again],
        [chunk(COUNT), LAST, again],
        [chunk(event("")), wait(0.05), chunk(COUNT_BESIDE_A_CHOICE), LAST, again],
    ],
    ids=["at once", "in pieces", "without [DONE]", "beside a choice"],
)
async def test_who_leaves_when_the_model_has_finished_pays_what_the_provider_counted(
    server: RelayServer, rest: Script, how: str
) -> None:
    """Thoughts that nobody is shown are most of what some models cost."""
    async with HostileUpstream([*BEGIN, wait(0.2), *rest]) as upstream:
        await gone_at_finish(server, upstream, how)
        record = await server.record()
        upstream.faults.clear()
    assert (record.outcome, record.status, record.error) == ("client_gone", 200, "client_gone")
    assert (record.input, record.output, record.reasoning) == (3, 2, 4998)
    assert (record.cost, record.estimated) == (COST, False)
    await at_rest(server)


@pytest.mark.parametrize("server", ["own", "asgi"], indirect=True)
@pytest.mark.parametrize(
    "rest",
    [[hang], [chunk(event("more words than there were", index=1)), hang]],
    ids=["nothing", "another choice"],
)
async def test_a_provider_that_counts_nothing_is_not_waited_for_long(
    server: RelayServer, rest: Script
) -> None:
    """What was delivered is billed then, and what came after that is not."""
    async with HostileUpstream([*BEGIN, wait(0.2), *rest]) as upstream:
        await gone_at_finish(server, upstream)
        record = await server.record()
        async with asyncio.timeout(10):
            await upstream.left.wait()
    assert (record.outcome, record.status) == ("client_gone", 200)
    assert (record.output, record.reasoning, record.estimated) == (ESTIMATE, 0, True)
    await at_rest(server)


async def broken(peer: Peer) -> None:
    """End in the middle of a chunk."""
    await peer.write(b"50\r\ndata:")


async def failed(peer: Peer) -> None:
    """Tell an error, and stay."""
    await peer.write(chunk(b'data: {"error": {"message": "x"}}\n\n'))
    await hang(peer)


@pytest.mark.parametrize(
    "rest",
    [broken, failed, forever(chunk(event("w" * 1000)))],
    ids=["broken off", "an error", "no end"],
)
async def test_a_provider_that_does_not_end_its_stream_well_is_let_go(
    tmp_path: Path, rest: Callable[[Peer], Awaitable[None]]
) -> None:
    settings = RelaySettings(end_of_stream_wait=60, max_event_bytes=50_000)
    async with (
        relay_server(tmp_path / "journal", settings=settings) as server,
        HostileUpstream([*BEGIN, wait(0.2), rest]) as upstream,
    ):
        await gone_at_finish(server, upstream)
        record = await server.record()
        assert (record.outcome, record.output, record.estimated) == ("client_gone", ESTIMATE, True)
        await at_rest(server)


@pytest.mark.parametrize("asgi", [False, True], ids=["own", "asgi"])
async def test_closing_ends_the_wait(tmp_path: Path, *, asgi: bool) -> None:
    settings = RelaySettings(end_of_stream_wait=60)
    async with (
        relay_server(tmp_path / "journal", settings=settings, asgi=asgi) as server,
        HostileUpstream([*BEGIN, hang]) as upstream,
    ):
        await gone_at_finish(server, upstream)
        server.relay.drain()
        assert not await server.relay.wait_idle(0.2)
        await server.relay.close()
        record = await server.record()
        assert (record.outcome, record.output, record.estimated) == ("client_gone", ESTIMATE, True)
        await at_rest(server)


async def test_draining_waits_for_the_count(server: RelayServer) -> None:
    async with HostileUpstream([*BEGIN, wait(0.3), chunk(COUNT + DONE), LAST, again]) as upstream:
        await gone_at_finish(server, upstream)
        server.relay.drain()
        record = await server.record()
    assert (record.outcome, record.cost) == ("client_gone", COST)
    await at_rest(server)


async def test_a_stream_that_cannot_be_counted_ends_with_its_client(
    server: RelayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(_: StreamMeter) -> bool:
        raise RecursionError("a fault of the meter")

    monkeypatch.setattr(StreamMeter, "finished", fault)
    async with HostileUpstream([*BEGIN, hang]) as upstream:
        await gone_at_finish(server, upstream)
        record = await server.record()
        async with asyncio.timeout(10):
            await upstream.left.wait()
    assert (record.outcome, record.output) == ("client_gone", ESTIMATE)
    await at_rest(server)
