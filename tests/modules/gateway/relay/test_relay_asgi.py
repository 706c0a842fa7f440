"""The relay under servers that behave otherwise than uvicorn, and under its own faults."""

import asyncio
import json
from typing import Any

import pytest
import uvloop

from doubles.openai_upstream import Behaviour
from doubles.relay_server import KEY, RelayServer
from paifang.core.exchange import ClientGone
from paifang.modules.gateway.relay.asgi import AsgiExchange

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}
STREAM = {**CHAT, "stream": True}


class Connection:
    """A server's side of one request; ``broken_after`` messages, sending fails."""

    def __init__(self, body: dict[str, Any], *, broken_after: int = 1000) -> None:
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "headers": [(b"authorization", KEY.encode())],
            "client": ("127.0.0.1", 1234),
        }
        self.body = json.dumps(body).encode()
        self.sent: list[dict[str, Any]] = []
        self.broken_after = broken_after
        self.changed = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self.body:
            body, self.body = self.body, b""
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: dict[str, Any]) -> None:
        if len(self.sent) >= self.broken_after:
            raise ConnectionResetError
        self.sent.append(message)
        self.changed.set()


@pytest.mark.parametrize("broken_after", [0, 1, 2])
async def test_a_server_that_raises_when_the_client_is_gone(
    relay: RelayServer, upstream, broken_after
):
    upstream.behaviours["chat"] = Behaviour(gap=0.05)
    connection = Connection(STREAM, broken_after=broken_after)
    await relay.relay(connection.scope, connection.receive, connection.send)
    record = await relay.record()
    assert record.outcome == "client_gone"
    assert record.output == (2 if broken_after == 2 else 0)
    async with asyncio.timeout(10):
        await upstream.requests[0].disconnected.wait()


def test_what_uvloop_says_of_a_closed_connection_is_a_client_that_is_gone():
    """Uvicorn writes on when it is not the last of pipelined requests that it serves."""

    async def say() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        transport.abort()
        server.close()
        await asyncio.sleep(0.05)  # until uvloop has closed its handle

        async def send(message: Any) -> None:
            transport.write(message.get("body", b"head"))

        connection = Connection(CHAT)
        exchange = AsgiExchange(connection.scope, connection.receive, send)
        with pytest.raises(ClientGone):
            await exchange.send(b"", b"piece", last=False)
        assert not exchange.begun

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(say())


async def test_a_server_that_finds_fault_with_a_message_has_found_a_fault_of_ours(relay):
    connection = Connection(CHAT)

    async def send(message: Any) -> None:
        raise RuntimeError(f"Expected ASGI message 'x', but got {message['type']!r}.")

    with pytest.raises(RuntimeError, match="Expected"):
        await relay.relay(connection.scope, connection.receive, send)
    assert (await relay.record()).outcome == "completed"


@pytest.mark.parametrize("body", [CHAT, {"model": "absent"}])
async def test_a_client_that_is_gone_at_the_end_pays_for_the_whole(relay, body):
    connection = Connection(body, broken_after=0)
    await relay.relay(connection.scope, connection.receive, connection.send)
    record = await relay.record()
    assert record.outcome == ("completed" if body is CHAT else "refused")
    assert relay.relay.in_flight == 0


async def test_a_server_that_ends_the_task_leaves_a_record(relay, upstream):
    upstream.behaviours["chat"] = Behaviour(gap=30)
    connection = Connection(STREAM)
    task = asyncio.ensure_future(relay.relay(connection.scope, connection.receive, connection.send))
    while len(connection.sent) < 2:
        connection.changed.clear()
        await connection.changed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    record = await relay.record()
    assert (record.outcome, record.error, record.output) == ("interrupted", "cancelled", 2)
    assert relay.relay.in_flight == 0


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_a_fault_of_our_own_is_a_500_with_a_record(relay, client, monkeypatch, body):
    def fault(*_: Any) -> None:
        raise RuntimeError("a fault of the relay")

    monkeypatch.setattr(relay.relay.admission, "admit", fault)
    answer = await client.post("/chat/completions", json=body)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "a fault of the relay" not in answer.text
    record = await relay.record()
    assert (record.status, record.error) == (500, "internal_error")


async def test_it_serves_nothing_but_http(server):
    with pytest.raises(RuntimeError, match="websocket"):
        await server.relay({"type": "websocket"}, None, None)
