"""The upstream client's time-outs, back-pressure and cancellation."""

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import Iterator

import pytest

from doubles.raw_upstream import (
    HASTY,
    OK,
    PATIENT,
    STREAM,
    Peer,
    Reader,
    Writer,
    answering,
    ask,
    failure,
    on_both_loops,
    settled,
    streaming,
    until_gone,
)
from paifang.modules.gateway.relay.snapshot import Timeouts
from paifang.modules.gateway.relay.upstream import Pool, Target
from paifang.modules.gateway.relay.upstream.race import first_of


@contextlib.contextmanager
def silent(host: str, port: int = 0) -> Iterator[int]:
    """A port on which connections are neither accepted nor refused."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(3):  # these take the whole backlog
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@on_both_loops
async def test_peer_that_never_accepts_is_timeout_connect() -> None:
    pool = Pool()
    with silent("127.0.0.1") as port:
        target = Target.parse(f"http://127.0.0.1:{port}")
        error = await failure(pool.request(target, b"GET", "/", [], b"", HASTY))
    assert (error.kind, error.sent) == ("timeout_connect", False)


def at(*addresses: str) -> Pool:
    """A pool for which every name has these addresses."""

    async def addresses_of(host: str, port: int) -> list[str]:
        await asyncio.sleep(0)
        return list(addresses)

    pool = Pool()
    pool._addresses = addresses_of  # type: ignore[method-assign]  # there is no name server here
    return pool


@on_both_loops
async def test_a_silent_address_does_not_keep_another_from_being_asked() -> None:
    for refused in ((), ("127.0.0.3",)):
        pool = at("127.0.0.2", *refused, "127.0.0.1")
        async with answering(OK) as peer:
            with silent("127.0.0.2", peer.port):
                response = await ask(pool, peer, Timeouts(connect=5, first_byte=5, idle=5))
                assert await response.read(9) == b"ok"
                assert (pool.open_connections, pool.idle_connections) == (1, 1)
            await pool.close()


@on_both_loops
async def test_addresses_that_all_fail_are_one_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    target = Target.parse(f"http://127.0.0.1:{port}")
    pool = at("127.0.0.2", "127.0.0.1")
    assert (await failure(pool.request(target, b"GET", "/", [], b"", PATIENT))).kind == "connect"
    with silent("127.0.0.2", port), silent("127.0.0.1", port):
        error = await failure(pool.request(target, b"GET", "/", [], b"", HASTY))
        assert error.kind == "timeout_connect"
    assert (await failure(at().request(target, b"GET", "/", [], b"", PATIENT))).kind == "connect"
    assert pool.open_connections == 0


async def test_whatever_comes_second_is_undone() -> None:
    undone: list[str] = []

    async def way(name: str, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return name

    ways = [functools.partial(way, "slow", 0.05), functools.partial(way, "quick", 0)]
    assert await first_of(ways, 0.01, undone.append) == "quick"
    await asyncio.sleep(0.1)
    assert undone == []  # it was given up on its way
    both = [functools.partial(way, "first", 0), functools.partial(way, "second", 0)]
    won = await first_of(both, 0, undone.append)
    assert len(undone) < 2
    assert won not in undone


async def test_a_failed_handshake_is_not_hidden_by_another_way() -> None:
    async def untrusted() -> str:
        await asyncio.sleep(0)
        raise ssl.SSLError(1, "untrusted")

    async def trusted() -> str:
        await asyncio.sleep(0)
        return "connected"

    with pytest.raises(ssl.SSLError):
        await first_of([untrusted, trusted], 5, lambda _: None)


@on_both_loops
async def test_silence_before_the_head_is_timeout_first_byte() -> None:
    pool = Pool()
    half_a_head = b"HTTP/1.1 200 OK\r\nContent-Le"
    async with streaming(half_a_head) as peer:
        error = await failure(ask(pool, peer, HASTY))
        assert (error.kind, error.sent) == ("timeout_first_byte", True)
        await settled(pool, open_connections=0)


@on_both_loops
async def test_first_byte_time_out_waits_while_a_large_request_is_being_taken() -> None:
    size = 24 * 1024 * 1024

    async def slow_eater(peer: Peer, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(16):
            await reader.readexactly(size // 16)
            await asyncio.sleep(0.04)
        writer.write(OK)
        peer.signal.set()
        await until_gone(reader)

    pool = Pool()
    async with Peer(slow_eater) as peer:
        started = asyncio.get_running_loop().time()
        response = await ask(pool, peer, Timeouts(1, 0.5, 1), body=bytes(size))
        assert asyncio.get_running_loop().time() - started > 0.5
        assert await response.read(9) == b"ok"
        await pool.close()


@on_both_loops
async def test_first_byte_time_out_begins_when_a_large_request_has_been_taken() -> None:
    size = 24 * 1024 * 1024

    async def thinks_after_reading(_: Peer, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(16):
            await reader.readexactly(size // 16)
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        writer.write(OK)
        await until_gone(reader)

    pool = Pool()
    async with Peer(thinks_after_reading) as peer:
        response = await ask(pool, peer, Timeouts(1, 1, 1), body=bytes(size))
        assert await response.read(9) == b"ok"
        await pool.close()


@on_both_loops
async def test_silence_in_the_body_is_timeout_idle_after_what_came_was_handed_out() -> None:
    pool = Pool()
    async with streaming(STREAM + b"3\r\nabc\r\n") as peer:
        response = await ask(pool, peer, Timeouts(1, 10, 0.1))
        chunks = response.chunks()
        assert await anext(chunks) == b"abc"
        async with asyncio.timeout(5):  # the time-out of the head is no longer waited for
            error = await failure(anext(chunks))
        assert (error.kind, error.sent) == ("timeout_idle", True)
        assert (await failure(response.read(9))).kind == "timeout_idle"
        await settled(pool, open_connections=0)


@on_both_loops
async def test_slow_stream_outlives_the_first_byte_time_out() -> None:
    async def slow(peer: Peer, reader: Reader, writer: Writer) -> None:
        while await peer.request(reader):
            writer.write(STREAM)
            for _ in range(12):
                await asyncio.sleep(0.05)
                writer.write(b"1\r\nx\r\n")
            writer.write(b"0\r\n\r\n")

    pool = Pool(idle_seconds=0.15)
    async with Peer(slow) as peer:
        for _ in range(2):
            response = await ask(pool, peer, Timeouts(1, 0.5, 0.5))
            assert await response.read(99) == b"x" * 12
        assert peer.connections == 1
        await pool.close()


@on_both_loops
async def test_slow_reader_holds_the_upstream_back_and_gets_every_byte() -> None:
    size = 24 * 1024 * 1024
    data = bytes(range(256)) * (size // 256)

    async def flood(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for at in range(0, size, 65536):
            writer.write(data[at : at + 65536])
            draining = asyncio.ensure_future(writer.drain())
            if not (await asyncio.wait([draining], timeout=0.2))[0]:
                peer.signal.set()  # held back
            await draining
        await until_gone(reader)

    pool = Pool()
    async with Peer(flood) as peer:
        response = await ask(pool, peer, Timeouts(1, 5, 0.1))
        await peer.signal.wait()  # longer than the idle time-out, which is not the upstream's fault
        assert response.buffered < 1024 * 1024
        received = [chunk async for chunk in response.chunks()]
        assert b"".join(received) == data
        assert (pool.open_connections, pool.idle_connections) == (1, 1)
        await pool.close()


@on_both_loops
async def test_cancelled_before_the_head_drops_the_connection_and_the_peer_sees_it() -> None:
    async def script(peer: Peer, reader: Reader, _: Writer) -> None:
        await peer.request(reader)
        peer.signal.set()
        await until_gone(reader)

    pool = Pool()
    async with Peer(script) as peer:
        task = asyncio.create_task(ask(pool, peer))
        await peer.signal.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settled(pool, open_connections=0)


@on_both_loops
async def test_cancelled_in_the_body_drops_the_connection_and_the_peer_sees_it() -> None:
    pool = Pool()
    async with streaming(STREAM + b"1\r\nx\r\n") as peer:
        response = await ask(pool, peer)
        assert await anext(response.chunks()) == b"x"
        task = asyncio.ensure_future(response.read(99))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settled(pool, open_connections=0)


@on_both_loops
async def test_cancelled_while_connecting_leaves_nothing_open() -> None:
    pool = Pool()
    async with answering(OK) as peer:
        for turns in range(12):  # at each point of the way
            task = asyncio.create_task(ask(pool, peer))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            try:
                (await task).close()
            except asyncio.CancelledError:
                continue
        await pool.close()
        assert pool.open_connections == 0


@on_both_loops
async def test_closing_an_unfinished_answer_drops_it_and_wakes_its_reader() -> None:
    pool = Pool()
    async with streaming(STREAM) as peer:
        response = await ask(pool, peer)
        reader = asyncio.ensure_future(response.read(99))
        await asyncio.sleep(0)
        response.close()
        response.close()
        assert (await failure(reader)).kind == "reset"
        await settled(pool, open_connections=0)


@on_both_loops
async def test_closing_the_pool_breaks_answers_off_and_refuses_new_requests() -> None:
    pool = Pool()
    async with streaming(STREAM) as peer:
        response = await ask(pool, peer)
        await pool.close()
        assert pool.open_connections == 0
        assert (await failure(response.read(9))).kind == "reset"
        error = await failure(ask(pool, peer))
        assert (error.kind, error.sent) == ("connect", False)


@on_both_loops
async def test_body_over_the_readers_limit_is_too_large_and_drops_the_connection() -> None:
    pool = Pool()
    async with answering(STREAM, b"5\r\nabcde\r\n") as peer:
        response = await ask(pool, peer)
        assert (await failure(response.read(4))).kind == "too_large"
        await settled(pool, open_connections=0)
