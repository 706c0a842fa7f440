"""A request that is held until the turn ends, and what its connection does meanwhile."""

import asyncio
from collections.abc import Callable

import pytest

from doubles.raw_upstream import OK, answering, ask, on_both_loops
from paifang.core.writes import writes_of
from paifang.modules.gateway.relay.upstream import Pool, UpstreamError
from paifang.modules.gateway.relay.upstream.connection import Connection

SURPLUS = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nfor somebody!!"

Event = Callable[[Connection], object]
EVENTS: tuple[Event, ...] = (
    lambda connection: connection.data_received(SURPLUS),
    lambda connection: connection.data_received(SURPLUS[:20]),
    lambda connection: connection.eof_received(),
)


async def _idle(pool: Pool, port: int) -> Connection:
    return pool._idle[("127.0.0.1", port, False)][-1]


class _Nowhere(asyncio.Transport):
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""

    def is_closing(self) -> bool:
        """It never ends."""
        return False


async def _busy() -> None:
    """Several writes in one turn: those of the next are held to its end."""
    writes = writes_of(asyncio.get_running_loop())
    for _ in range(3):
        writes.write(_Nowhere(), b"")
    await asyncio.sleep(0)


@on_both_loops
async def test_what_comes_before_the_request_is_out_is_no_answer_to_it() -> None:
    for event in EVENTS:
        pool = Pool()
        async with answering(OK) as peer:
            assert await (await ask(pool, peer)).read(9) == b"ok"
            connection = await _idle(pool, peer.port)
            await _busy()
            asking = asyncio.create_task(ask(pool, peer))
            # Behind the task's first step, before the end of the turn that this step begins.
            asyncio.get_running_loop().call_soon(event, connection)
            response = await asking
            assert await response.read(9) == b"ok"
            assert connection.closed
            assert response._source is not connection
            # Once, on a fresh connection.
            assert (peer.connections, len(peer.requests)) == (2, 2)
            await pool.close()


@on_both_loops
async def test_once_it_is_out_it_is_not_sent_again() -> None:
    pool = Pool()
    async with answering(OK) as peer:
        assert await (await ask(pool, peer)).read(9) == b"ok"
        connection = await _idle(pool, peer.port)
        await _busy()
        asking = asyncio.create_task(ask(pool, peer))
        writes = writes_of(asyncio.get_running_loop())
        turn = writes.turn
        await asyncio.sleep(0)  # its first step
        await asyncio.sleep(0)  # the end of the turn
        assert writes.turn > turn
        connection.eof_received()
        with pytest.raises(UpstreamError) as failure:
            await asking
        assert failure.value.sent
        await pool.close()


@on_both_loops
async def test_many_requests_of_a_turn_all_get_their_own_answer() -> None:
    pool = Pool()
    async with answering(OK) as peer:
        for _ in range(5):
            answers = await asyncio.gather(*(ask(pool, peer) for _ in range(40)))
            for answer in answers:
                assert await answer.read(9) == b"ok"
        assert len(peer.requests) == 200
        assert peer.connections <= 40
        await pool.close()
