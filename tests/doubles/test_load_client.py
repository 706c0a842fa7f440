import asyncio
from contextlib import asynccontextmanager

import pytest

from doubles.load_client import Connection, events_in, request

STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Request-Id: a1\r\n\r\n"
PIECE = b'data: {"choices": [{"delta": {"content": "word "}}]}\n\n'
REQUEST = request(80, "key", "agent", b"{}")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@asynccontextmanager
async def serving(*answers: bytes, then_close: bool = False):
    """A server that plays one answer after the other on a connection."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for answer in answers:
                await reader.readexactly(len(REQUEST))
                writer.write(answer)
            if not then_close:
                await reader.read()
        finally:
            writer.close()

    async with await asyncio.start_server(play, "127.0.0.1", 0) as server:
        connection = await Connection.open(server.sockets[0].getsockname()[1])
        yield connection
        connection.close()


async def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    json = b"HTTP/1.1 429 No\r\nContent-Length: 2\r\nRetry-After: 3\r\n\r\n{}"
    stream = STREAM + chunk(PIECE) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    async with serving(json, stream) as connection:
        first = await connection.call(REQUEST)
        assert (first.status, first.body, first.whole, first.kept) == (429, b"{}", True, True)
        assert first.headers["retry-after"] == "3"
        second = await connection.call(REQUEST)
        assert (second.whole, second.request_id) == (True, "a1")
        events = events_in(second.body)
        assert (events.text, events.pieces, events.done) == ("word ", 1, True)


async def test_it_leaves_when_it_is_told_to() -> None:
    async with serving(STREAM + chunk(PIECE) * 3) as connection:
        answer = await connection.call(REQUEST, leave=lambda answer: b"word" in answer.body)
        assert (answer.left, answer.whole, connection.usable) == (True, False, False)
        assert events_in(answer.body).pieces == 1
    async with serving(STREAM) as connection:
        answer = await connection.call(REQUEST, patience=0.05)
        assert (answer.left, answer.status, answer.body) == (True, 200, b"")


@pytest.mark.parametrize(
    ("bytes_", "broken"), [(STREAM + chunk(PIECE), False), (STREAM + b"zz\r\nno", True)]
)
async def test_an_answer_that_breaks_off_is_not_whole(bytes_: bytes, broken: bool) -> None:
    async with serving(bytes_, then_close=True) as connection:
        answer = await connection.call(REQUEST)
        assert (answer.whole, answer.left, answer.kept) == (False, False, False)
        assert bool(connection.broken) is broken


def test_events_must_be_events() -> None:
    with pytest.raises(ValueError, match="behind"):
        events_in(b"data: [DONE]\n\n" + PIECE)
    with pytest.raises(ValueError, match="not an event"):
        events_in(b"event: data\n\n")
    assert events_in(PIECE + PIECE[:20]).pieces == 1
