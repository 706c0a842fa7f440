"""The upstream pool: reuse, what is sent when, and what a peer may do between requests."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable

from doubles.raw_upstream import (
    OK,
    PATIENT,
    Peer,
    Reader,
    Writer,
    answering,
    ask,
    failure,
    on_both_loops,
    settled,
    until_gone,
)
from paifang.modules.gateway.relay.upstream import Pool, Target


@on_both_loops
async def test_request_carries_path_headers_and_body_and_answer_comes_back() -> None:
    pool = Pool()
    async with answering(
        b"HTTP/1.1 201 Made\r\nX-One: a\r\nContent-Length: 2\r\nX-One: b\r\n\r\nok"
    ) as peer:
        headers = [(b"authorization", b"Bearer k"), (b"Host", b"evil"), (b"content-length", b"9")]
        response = await pool.request(peer.target, b"POST", "/a?b=1", headers, b"body", PATIENT)
        assert response.status == 201
        assert response.headers == [(b"x-one", b"a"), (b"content-length", b"2"), (b"x-one", b"b")]
        assert await response.read(2) == b"ok"
        await pool.close()
    assert peer.requests == [
        b"POST /v1/a?b=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nauthorization: Bearer k\r\n"
        b"Content-Length: 4\r\n\r\nbody" % peer.port
    ]


@on_both_loops
async def test_connections_are_reused_last_in_first_out() -> None:
    pool = Pool()
    async with answering(OK) as peer:
        first, second = await asyncio.gather(ask(pool, peer), ask(pool, peer))
        assert (await first.read(9), await second.read(9)) == (b"ok", b"ok")
        assert (pool.open_connections, pool.idle_connections) == (2, 2)
        last = pool._idle[("127.0.0.1", peer.port, False)][-1]
        for _ in range(3):
            response = await ask(pool, peer)
            assert response._source is last
            assert await response.read(9) == b"ok"
            response.close()
        assert peer.connections == 2
        await pool.close()
    assert (pool.open_connections, pool.idle_connections) == (0, 0)


@on_both_loops
async def test_no_more_than_max_idle_per_host_are_kept_and_rest_expires() -> None:
    pool = Pool(max_idle_per_host=1, idle_seconds=0.05)
    async with answering(OK) as peer:
        for response in await asyncio.gather(*(ask(pool, peer) for _ in range(3))):
            assert await response.read(9) == b"ok"
        assert pool.idle_connections == 1
        await settled(pool, open_connections=0)
        assert pool._idle == {}
        await pool.close()


@on_both_loops
async def test_connection_the_peer_closed_at_rest_leaves_the_pool_at_once() -> None:
    async def one_answer(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        writer.write(OK)
        await peer.signal.wait()

    pool = Pool()
    async with Peer(one_answer) as peer:
        assert await (await ask(pool, peer)).read(9) == b"ok"
        assert pool.idle_connections == 1
        peer.signal.set()
        await settled(pool, open_connections=0)
        assert pool.idle_connections == 0
        assert await (await ask(pool, peer)).read(9) == b"ok"
        assert peer.connections == 2
        await pool.close()


async def busy_while(do: Callable[[socket.socket], None]) -> list[bytes]:
    """Two requests, between which ``do`` is done to the first one's connection while the loop is
    held up, so that it cannot have read what came of it. The second must get its own answer, on
    another connection; the paths of both are returned.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    go, done = threading.Event(), threading.Event()
    seen: list[bytes] = []

    def serve() -> None:
        with contextlib.ExitStack() as until_the_end:
            for body in (b"1!", b"2!"):
                connection = until_the_end.enter_context(listener.accept()[0])
                seen.append(connection.recv(65536).split()[1])
                connection.sendall(OK.replace(b"ok", body))
                if len(seen) == 1:
                    go.wait(10)
                    do(connection)
                    done.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    pool = Pool()
    target = Target.parse(f"http://127.0.0.1:{listener.getsockname()[1]}")
    response = await pool.request(target, b"POST", "/1", [], b"", PATIENT)
    assert await response.read(9) == b"1!"
    connection = next(iter(pool._open))
    go.set()
    assert done.wait(10)
    assert not connection.closed
    response = await pool.request(target, b"POST", "/2", [], b"", PATIENT)
    assert await response.read(9) == b"2!"
    thread.join(10)
    listener.close()
    await pool.close()
    return seen


@on_both_loops
async def test_close_the_loop_has_not_seen_yet_is_found_before_anything_is_written() -> None:
    assert await busy_while(lambda peer: peer.shutdown(socket.SHUT_RDWR)) == [b"/1", b"/2"]


@on_both_loops
async def test_an_answer_too_many_that_the_loop_has_not_seen_yet_is_nobodys_answer() -> None:
    surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    assert await busy_while(lambda peer: peer.sendall(surplus)) == [b"/1", b"/2"]


@on_both_loops
async def test_connection_whose_announced_keep_alive_is_over_is_not_used() -> None:
    pool = Pool()
    async with answering(
        b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n"
    ) as peer:
        for rested, connections in ((3.5, 1), (4.5, 2)):
            await (await ask(pool, peer)).read(0)
            next(iter(pool._open))._idle_since -= rested
            await (await ask(pool, peer)).read(0)
            assert peer.connections == connections
        await pool.close()


@on_both_loops
async def test_request_that_was_written_is_never_sent_twice() -> None:
    async def drop_second(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        writer.write(OK)
        await peer.request(reader)

    pool = Pool()
    async with Peer(drop_second) as peer:
        await (await ask(pool, peer)).read(9)
        error = await failure(ask(pool, peer))
        assert (error.kind, error.sent) == ("reset", True)
        assert "before it answered" in str(error)
        await settled(pool, open_connections=0)
    assert (peer.connections, len(peer.requests)) == (1, 2)


@on_both_loops
async def test_unsolicited_bytes_at_rest_drop_the_connection() -> None:
    async def talkative(peer: Peer, reader: Reader, writer: Writer) -> None:
        await peer.request(reader)
        writer.write(OK)
        await peer.signal.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await until_gone(reader)

    pool = Pool()
    async with Peer(talkative) as peer:
        assert await (await ask(pool, peer)).read(9) == b"ok"
        peer.signal.set()
        await settled(pool, open_connections=0)
        assert await (await ask(pool, peer)).read(9) == b"ok"
        await pool.close()


@on_both_loops
async def test_answer_before_the_whole_request_was_taken_ends_the_connection() -> None:
    async def hasty(_: Peer, reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await until_gone(reader)

    pool = Pool()
    async with Peer(hasty) as peer:
        response = await ask(pool, peer, body=bytes(32 * 1024 * 1024))
        assert (response.status, await response.read(9)) == (413, b"no")
        await settled(pool, open_connections=0)


@on_both_loops
async def test_refused_connection_is_connect_and_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    pool = Pool()
    target = Target.parse(f"http://127.0.0.1:{port}")
    error = await failure(pool.request(target, b"GET", "/models", [], b"", PATIENT))
    assert (error.kind, error.sent) == ("connect", False)
    assert f"127.0.0.1:{port}" in str(error)
    assert pool.open_connections == 0
