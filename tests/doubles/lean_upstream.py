"""An OpenAI-compatible upstream that costs next to nothing: the same answers, all from memory.

Prints ``{"port": ...}`` and serves until its input ends. A stream's pieces leave one by one,
:data:`GAP` seconds apart, so that its reader can leave in the middle.
"""

import asyncio
import contextlib
from typing import cast

import orjson
import uvloop

from doubles.openai_answers import Behaviour, Seen, piece, usage, whole, word
from doubles.programs import orders, tell

MODEL = "chat"
PIECES = 12
PROMPT = "one two three"
GAP = 0.002

_HOW = Behaviour(pieces=PIECES)
_SEEN = Seen(
    "POST",
    "/v1/chat/completions",
    {},
    b"",
    {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]},
)

JSON_ANSWER = orjson.dumps(whole(_SEEN, _HOW))
TEXT = "".join(word(_HOW, index) for index in range(PIECES))
USAGE = usage(_SEEN, _HOW, PIECES)


def _event(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


STREAM = [
    *(_event(piece(_SEEN, _HOW, word(_HOW, index), None)) for index in range(PIECES)),
    _event(piece(_SEEN, _HOW, "", "stop")),
    _event({**piece(_SEEN, _HOW, "", None), "choices": [], "usage": USAGE}),
    b"data: [DONE]\n\n",
]
"""All of its events, asked for usage: the gateway always asks."""


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(JSON_ANSWER),
    JSON_ANSWER,
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_PARTS = [
    _STREAM_HEAD + _chunk(STREAM[0]),
    *map(_chunk, STREAM[1:PIECES]),
    b"".join(map(_chunk, STREAM[PIECES:])) + b"0\r\n\r\n",
]


class Upstream(asyncio.Protocol):
    """One connection: a request is complete when its content length is there."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            head = data[:end].lower() + b"\r"
            _, _, rest = head.partition(b"\ncontent-length:")
            if len(data) - end - 4 >= int(rest[: rest.find(b"\r")]):
                self.buffer = b""
                self.answer(data[end + 4 :])
                return
        self.buffer = data

    def answer(self, body: bytes) -> None:
        if b'"stream":true' in body:
            self.send(0)
        else:
            self.transport.write(_JSON)

    def send(self, number: int) -> None:
        """One piece of a stream, and the next a little later."""
        if self.transport.is_closing():
            return
        self.transport.write(_PARTS[number])
        if number + 1 < len(_PARTS):
            self.loop.call_later(GAP, self.send, number + 1)


async def main() -> None:
    """Serve until the input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=1024)
    tell(port=server.sockets[0].getsockname()[1])
    async for _ in orders():
        pass
    server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
