"""Clients that hang up, in every way and at every moment, and clients that take nothing."""

import asyncio
import contextlib
import json
import random
import time

import pytest

from counts import count
from doubles.hostile_upstream import (
    DONE,
    FINISH,
    STREAM_HEAD,
    USAGE,
    HostileUpstream,
    Peer,
    again,
    answer,
    chunk,
    event,
    forever,
    hang,
    unread,
    wait,
)
from doubles.raw_client import Closed, RawClient, chat, connected, request
from modules.gateway.fire.bed import INPUT_PRICE, OUTPUT_PRICE, PATH, Bed, eventually
from modules.gateway.fire.wire import PATHS, call, echoing, recorded, still_good

MIB = 1024 * 1024
WAITS = [hang]
"""An upstream that never answers."""
BEGINS = [STREAM_HEAD, chunk(event("fine ")), chunk(event("words")), hang]
"""One that never ends its stream."""

LEAVE = {"fin": RawClient.half_close, "rst": RawClient.reset}
"""How a client goes. A FIN alone says only that it sends no more; but that is also all that a
client says that has gone, and nobody else says it: nginx and uvicorn take it for a farewell as
well. To go on would be to pay an upstream for an answer that nobody reads.
"""

pytestmark = pytest.mark.xdist_group("hasty")  # one of its gateways will do


def stream(key: str, path: str = PATH) -> bytes:
    return request(chat(stream=True), key=key, path=path)


async def at_rest_but_for(bed: Bed, upstream: HostileUpstream) -> None:
    """The gateway holds nothing more but the connections that wait for its next calls."""
    more = 0

    def same() -> bool:
        nonlocal more
        held = bed.gateway.held()
        more = held.sockets - bed.gateway.at_rest.sockets
        return more == upstream.open_connections and not held.in_flight

    await eventually(same, lambda: f"{more} sockets for {upstream.open_connections}")


async def gone(client: RawClient, how: str) -> None:
    """Leave, and see that the server leaves too; nothing more is said."""
    LEAVE[how](client)
    if how == "fin":
        assert await client.closed() == b""


# --- when ---


@pytest.mark.parametrize("how", LEAVE)
async def test_in_the_head(bed: Bed, how: str) -> None:
    whole = call(bed.key)
    for size in (0, 1, 60, whole.index(b"\r\n\r\n") + 3):
        async with connected(bed.gateway.port) as client:
            await client.send(whole[:size])
            await asyncio.sleep(0.02)
            await gone(client, how)
    assert await recorded(bed) == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", LEAVE)
async def test_in_the_body(bed: Bed, how: str, path: str) -> None:
    whole = call(bed.key, path=path)
    async with HostileUpstream(WAITS) as upstream:
        await bed.channel(upstream.url)
        for data in (
            whole[: whole.index(b"\r\n\r\n") + 4],
            whole[:-1],
            request(None, "transfer-encoding: chunked", key=bed.key, path=path) + b"4\r\n{   \r\n",
            request(b"", key=bed.key, path=path, length=(3_000_000,)) + b" " * 1_000_000,
        ):
            async with connected(bed.gateway.port) as client:
                await client.send(data)
                await asyncio.sleep(0.02)
                await gone(client, how)
                bed.records_due += 1
        assert upstream.connections == 0
        for row in await bed.rows():
            assert (row["outcome"], row["status"], row["cost"]) == ("client_gone", 499, 0)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("body", [chat(), chat(stream=True)], ids=["json", "stream"])
async def test_before_the_answer(bed: Bed, how: str, path: str, body: bytes) -> None:
    """The upstream is let go at once, early in the call and late."""
    async with HostileUpstream(WAITS) as upstream:
        await bed.channel(upstream.url)
        for seconds in (0.0, 0.2):
            async with connected(bed.gateway.port) as client:
                await client.send(request(body, key=bed.key, path=path))
                bed.records_due += 1
                due = bed.records_due
                await eventually(lambda: len(upstream.requests) == due, lambda: "no call")  # noqa: B023 - it is awaited here
                await asyncio.sleep(seconds)
                began = time.monotonic()
                await gone(client, how)
                async with asyncio.timeout(5):  # the upstream would be given ten seconds
                    await upstream.left.wait()
                    upstream.left.clear()
                assert time.monotonic() - began < 5
        for row in await bed.rows():
            assert (row["outcome"], row["status"], row["cost"]) == ("client_gone", 499, 0)
            assert row["attempts"] == 1


@pytest.mark.parametrize("how", LEAVE)
async def test_with_its_request(bed: Bed, how: str) -> None:
    """Request and farewell in one: nothing comes, and the one call made may be made in full."""
    bed.key = await bed.token(concurrency=None, quota="1000")
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for path in PATHS:
            async with connected(bed.gateway.port) as client:
                client.writer.write(call(bed.key, path=path))
                LEAVE[how](client)
                if how == "fin":
                    said = await client.closed()
                    assert said == b"" or said.startswith(b"HTTP/1.1 200 ")
        await at_rest_but_for(bed, upstream)
    rows = await recorded(bed)
    assert {row["outcome"] for row in rows} <= {"client_gone", "completed"}
    # After a RST the kernel may have thrown the request away.
    assert len(rows) == 2 or how == "rst"
    bed.records_due = len(rows)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", LEAVE)
async def test_in_the_middle_of_a_stream(bed: Bed, how: str, path: str) -> None:
    """What was delivered is billed, and the upstream is let go."""
    async with HostileUpstream(BEGINS) as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            await client.send(stream(bed.key, path))
            bed.records_due += 1
            await client.bytes_until(b'"words"')
            await client.bytes_until(b"\r\n")
            await gone(client, how)
            async with asyncio.timeout(5):
                await upstream.left.wait()
        row = await bed.row()
        assert (row["outcome"], row["status"], row["estimated"]) == ("client_gone", 200, 1)
        assert row["output"] >= 2
        assert row["cost"] == row["input"] * INPUT_PRICE + row["output"] * OUTPUT_PRICE


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", LEAVE)
async def test_while_its_stream_says_nothing(bed: Bed, how: str, path: str) -> None:
    """Nobody has to write to find out."""
    silent = [STREAM_HEAD, b"", hang]
    async with HostileUpstream(silent) as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            await client.send(stream(bed.key, path))
            bed.records_due += 1
            await eventually(lambda: len(upstream.requests) == 1, lambda: "no call came")
            await asyncio.sleep(0.1)
            await gone(client, how)
            async with asyncio.timeout(5):
                await upstream.left.wait()
        assert (await bed.row())["outcome"] == "client_gone"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("how", LEAVE)
async def test_at_the_very_end(bed: Bed, how: str, path: str) -> None:
    """What it has in full is billed in full."""
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for body in (chat(stream=True), chat()):
            for _ in range(5):
                async with connected(bed.gateway.port) as client:
                    await client.send(request(body, key=bed.key, path=path))
                    bed.records_due += 1
                    found = await client.answer()
                    LEAVE[how](client)
                    assert found.text == "one two three"
        for row in await bed.rows():
            assert (row["outcome"], row["status"]) == ("completed", 200)
            assert (row["input"], row["output"]) == (3, 2)


@pytest.mark.parametrize("path", PATHS)
async def test_between_the_last_content_and_the_end(bed: Bed, path: str) -> None:
    script = [STREAM_HEAD, chunk(event("fine ")), chunk(event("words")), chunk(FINISH), wait(0.3),
              chunk(USAGE + DONE) + b"0\r\n\r\n", again]  # fmt: skip
    async with HostileUpstream(script) as upstream:
        await bed.channel(upstream.url)
        async with connected(bed.gateway.port) as client:
            await client.send(stream(bed.key, path))
            bed.records_due += 1
            await client.bytes_until(b'"stop"')
            client.reset()
        row = await bed.row()
        assert row["outcome"] in {"client_gone", "completed"}
        assert row["output"] >= 2


async def test_at_any_moment(bed: Bed) -> None:
    """A hundred clients go when chance wants it; each call that was begun has its one record."""
    chance = random.Random(5)
    slowly = [STREAM_HEAD, *(chunk(event(f"w{number} ")) for number in range(8)),
              chunk(FINISH + USAGE + DONE), b"0\r\n\r\n", again]  # fmt: skip
    bed.key = await bed.token(concurrency=None, quota="1000")

    async def one(number: int) -> None:
        async with connected(bed.gateway.port) as client:
            path = PATHS[number % 2]
            data = stream(bed.key, path)
            await client.send(data.replace(b"host:", b"user-agent: %d\r\nhost:" % number, 1))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(chance.uniform(0.02, 0.3)):
                    await client.closed()
            LEAVE[chance.choice(["fin", "rst"])](client)

    async with HostileUpstream(slowly) as upstream:
        await bed.channel(upstream.url)
        total = count(100, 1000)
        for start in range(0, total, 20):
            await asyncio.gather(*(one(number) for number in range(start, start + 20)))
        await at_rest_but_for(bed, upstream)
    rows = await recorded(bed)
    names = sorted(int(row["user_agent"]) for row in rows)
    assert names == sorted(set(names))
    assert len(names) >= total * 0.9, "the test is worth nothing without calls"
    assert {row["outcome"] for row in rows} <= {"client_gone", "completed"}
    bed.records_due = len(rows)


async def test_a_resting_connection_may_be_left_in_any_way(bed: Bed) -> None:
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        for how in LEAVE:
            async with connected(bed.gateway.port) as client:
                await still_good(client, bed)
                await gone(client, how)


# --- who reads slowly, and who reads nothing; the gateway of these waits two seconds ---


async def test_who_reads_slowly_gets_everything(bed: Bed) -> None:
    text = "".join(f"{number:07} " for number in range(250_000))
    bed.key = await bed.token(quota="1000")
    parts = [text[start : start + 8000] for start in range(0, len(text), 8000)]
    script = [STREAM_HEAD, *(_sends(event(part)) for part in parts),
              chunk(FINISH + USAGE + DONE), b"0\r\n\r\n", again]  # fmt: skip
    async with echoing() as calls, HostileUpstream(script) as streams:
        await bed.channel(calls.url)
        await bed.channel(streams.url, models=["streams"])
        for path in PATHS:
            for model, body in (
                ("chat", chat(content=text)),
                ("streams", chat("streams", stream=True)),
            ):
                async with connected(bed.gateway.port, receive_buffer=8192) as client:
                    await client.send(request(body, key=bed.key, path=path))
                    bed.records_due += 1
                    await asyncio.sleep(0.3)
                    found = await client.answer()
                    assert found.text == text, model
                    await still_good(client, bed)


def _sends(data: bytes):  # type: ignore[no-untyped-def]  # a step of a script, without its pause
    async def step(peer: Peer) -> None:
        await peer.write(chunk(data))

    return step


@pytest.mark.parametrize("path", PATHS)
async def test_who_never_reads_its_stream_stops_the_upstream_and_is_dropped(
    hasty_bed: Bed, path: str
) -> None:
    bed = hasty_bed
    written = 0
    piece = chunk(event("x" * 10_000))

    async def endlessly(peer: Peer) -> None:
        nonlocal written
        try:
            while True:
                await peer.write(piece)
                written += len(piece)
        finally:
            peer.upstream.left.set()

    async with HostileUpstream([STREAM_HEAD, endlessly]) as upstream:
        await bed.channel(upstream.url)
        bed.key = await bed.token(quota="1000")
        bed.gateway.forget_peak()
        before = bed.gateway.rss()
        async with connected(bed.gateway.port, receive_buffer=4096) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of both directions
            await client.send(stream(bed.key, path))
            bed.records_due += 1
            async with asyncio.timeout(30):
                await upstream.left.wait()
        # What the kernels hold between three parties, and little more.
        assert written < 40 * MIB
        assert bed.gateway.rss("VmHWM") - before < 16 * MIB
        row = await bed.row()
        assert (row["outcome"], row["status"]) == ("client_gone", 200)


@pytest.mark.parametrize("path", PATHS)
async def test_who_never_reads_its_answer_is_dropped(hasty_bed: Bed, path: str) -> None:
    bed = hasty_bed
    text = "many words " * 700_000
    async with echoing() as upstream:
        await bed.channel(upstream.url)
        bed.key = await bed.token(quota="1000")
        bed.gateway.forget_peak()
        before = bed.gateway.rss()
        async with connected(bed.gateway.port, receive_buffer=4096) as client:
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of both directions
            await client.send(call(bed.key, text, path=path))
            bed.records_due += 1
            row = await bed.row()
            # Its record is written before the answer's last byte: all of it is billed.
            assert (row["outcome"], row["status"]) == ("completed", 200)
            await at_rest_but_for(bed, upstream)
        assert bed.gateway.rss("VmHWM") - before < 120 * MIB


async def test_who_never_reads_its_error_is_dropped(hasty_bed: Bed) -> None:
    """An error of the upstream's own may be large as well."""
    bed = hasty_bed
    error = json.dumps({"error": {"message": "no " * 200_000, "code": "no", "type": "no"}})
    refused = answer(error.encode(), b"Content-Type: application/json",
                     status=b"HTTP/1.1 400 Bad Request")  # fmt: skip
    async with HostileUpstream([refused, again]) as upstream:
        await bed.channel(upstream.url)
        for path in PATHS:
            async with connected(bed.gateway.port, receive_buffer=4096) as client:
                client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # of both directions
                await client.send(call(bed.key, path=path))
                bed.records_due += 1
                await bed.rows()
                await at_rest_but_for(bed, upstream)


# --- many ---


async def test_a_thousand_connections_that_say_nothing_cost_little_and_leave_nothing(
    bed: Bed,
) -> None:
    async with echoing() as upstream, connected(bed.gateway.port) as good:
        await bed.channel(upstream.url)
        before = bed.gateway.rss()
        async with contextlib.AsyncExitStack() as stack:
            idle = [
                await stack.enter_async_context(connected(bed.gateway.port)) for _ in range(1000)
            ]
            for number, client in enumerate(idle):
                if number % 2:  # half of them have begun a request
                    client.writer.write(call(bed.key)[:80])
            sockets = bed.gateway.at_rest.sockets + 1000
            await eventually(
                lambda: bed.gateway.held().sockets >= sockets, lambda: "not all are accepted"
            )
            await still_good(good, bed)
            assert bed.gateway.rss() - before < 40 * MIB
            for number, client in enumerate(idle):
                if number % 3 == 0:
                    client.reset()
        await still_good(good, bed)


async def test_connections_opened_and_closed_at_once_leave_nothing(bed: Bed) -> None:
    for _ in range(count(300, 3000)):
        async with connected(bed.gateway.port) as client:
            client.reset()
    async with connected(bed.gateway.port) as client:
        client.half_close()
        with pytest.raises(Closed):
            await client.answer()


async def test_an_upstream_that_talks_for_ever_is_let_go_with_its_client(bed: Bed) -> None:
    """The client reads, then goes: no more is read for it."""
    script = [unread, _request_first, STREAM_HEAD, forever(chunk(event("more ")), 0.001)]
    async with HostileUpstream(script) as upstream:
        await bed.channel(upstream.url)
        for path in PATHS:
            for leave in LEAVE.values():
                async with connected(bed.gateway.port) as client:
                    await client.send(stream(bed.key, path))
                    bed.records_due += 1
                    for _ in range(20):
                        await client.bytes_until(b"more ")
                    client.rest = b""
                    leave(client)
                    async with asyncio.timeout(5):
                        await upstream.left.wait()
                        upstream.left.clear()
        for row in await bed.rows():
            assert row["outcome"] == "client_gone"
            assert row["output"] >= 20


async def _request_first(peer: Peer) -> None:
    assert await peer.request()
