"""Writes of one turn of the event loop, sent together and in order."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from paifang.core.writes import JoinedTransport, Writes, writes_of


class Wire(asyncio.Transport):
    """A transport that notes what is done with it."""

    def __init__(self, log: list[object], name: str = "") -> None:
        super().__init__()
        self._log = log
        self._name = name
        self._closing = False
        self.broken = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.broken:
            raise RuntimeError("the handle is gone")
        self._log.append((self._name, bytes(data)) if self._name else bytes(data))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True
        self._log.append("closed")

    def abort(self) -> None:
        self._closing = True


@pytest.fixture
async def writes() -> Writes:
    return Writes()


async def _busy(writes: Writes) -> None:
    """Make a turn with several writes: the next one is held."""
    for _ in range(3):
        writes.write(Wire([]), b"")
    await asyncio.sleep(0)


async def test_a_write_alone_in_its_turn_goes_out_at_once(writes: Writes) -> None:
    log: list[object] = []
    for _ in range(5):
        assert writes.write(Wire(log), b"x") == -1
        assert log.pop() == b"x"
        await asyncio.sleep(0)


async def test_many_writes_of_a_turn_go_out_at_its_end_in_their_order(writes: Writes) -> None:
    await _busy(writes)
    log: list[object] = []
    one, two = Wire(log, "one"), Wire(log, "two")
    for wire, data in ((one, b"1"), (two, b"2"), (one, b"3")):
        turn = writes.write(wire, data)
        assert turn == writes.turn
        assert log == []
    await asyncio.sleep(0)
    assert log == [("one", b"1"), ("two", b"2"), ("one", b"3")]
    assert turn != writes.turn


async def test_when_turns_are_quiet_again_nothing_is_held(writes: Writes) -> None:
    await _busy(writes)
    log: list[object] = []
    writes.write(Wire(log), b"held")
    await asyncio.sleep(0)
    assert writes.write(Wire(log), b"at once") == -1
    assert log == [b"held", b"at once"]


async def test_a_connection_that_is_gone_keeps_no_other_waiting(writes: Writes, caplog) -> None:
    await _busy(writes)
    log: list[object] = []
    gone, broken = Wire(log), Wire(log)
    broken.broken = True
    for wire in (gone, broken, Wire(log, "last")):
        writes.write(wire, b"x")
    gone.abort()
    await asyncio.sleep(0)
    assert log == [("last", b"x")]
    assert [r.message for r in caplog.records] == ["a connection could not be written to"]


async def test_no_more_is_held_than_a_writer_may_be_ahead(writes: Writes) -> None:
    await _busy(writes)
    log: list[object] = []
    wire = Wire(log)
    for _ in range(8):
        writes.write(wire, bytes(16 * 1024))
    assert len(log) == 5
    await asyncio.sleep(0)
    assert len(log) == 8


async def test_it_is_known_what_was_never_sent(writes: Writes) -> None:
    await _busy(writes)
    gone = Wire([])
    turn = writes.write(gone, b"x")
    gone.abort()
    await asyncio.sleep(0)
    assert turn != writes.turn
    assert writes.skipped == [gone]


async def test_what_is_done_to_a_transport_keeps_its_order(writes: Writes) -> None:
    await _busy(writes)
    log: list[object] = []
    transport = JoinedTransport(Wire(log), writes)
    transport.write(b"first")
    transport.writelines([b"se", b"cond"])
    transport.close()
    assert log == [b"first", b"second", "closed"]


class _Noting(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.lost.set()


@pytest.fixture
async def pair() -> AsyncIterator[tuple[JoinedTransport, socket.socket]]:
    """A real connection of the running loop, and its other end."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, protocol = await loop.create_connection(_Noting, sock=ours)
    yield JoinedTransport(transport, writes_of(loop)), theirs
    if not protocol.lost.is_set():
        transport.abort()
    theirs.close()
    await protocol.lost.wait()


async def test_a_real_connection_gets_every_byte_and_then_its_end(pair) -> None:
    transport, theirs = pair
    loop = asyncio.get_running_loop()
    assert writes_of(loop) is writes_of(loop)
    await _busy(writes_of(loop))
    sent = b"".join(b"%06d" % number for number in range(100_000))
    for at in range(0, len(sent), 6_000):
        transport.write(sent[at : at + 6_000])
    assert 0 < transport.get_write_buffer_size() < len(sent)
    assert not transport.is_closing()
    transport.close()
    assert transport.is_closing()
    got = b""
    while data := await loop.sock_recv(theirs, 65536):
        got += data
    assert got == sent
