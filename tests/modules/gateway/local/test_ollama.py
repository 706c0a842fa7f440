import asyncio
import json

import pytest

from paifang.modules.gateway.local.ollama import find_ollama


@pytest.fixture
async def answer_with():
    """Start a server that sends these bytes to whoever connects and has asked; its URL."""
    servers = []

    async def start(raw, asked=None):
        async def handle(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            if asked is not None:
                asked.append(head.split(b"\r\n")[0])
            if raw is not None:
                writer.write(raw)
                await writer.drain()
                writer.close()
            else:
                await reader.read()  # silent until the client goes
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


def http(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


async def test_the_models_of_an_ollama_are_named(answer_with):
    asked = []
    tags = {"models": [{"name": "qwen3:8b", "size": 1}, {"name": "llama3.2:1b"}]}
    url = await answer_with(http(json.dumps(tags)), asked)
    assert await find_ollama(f"{url}/") == ["llama3.2:1b", "qwen3:8b"]
    assert asked == [b"GET /api/tags HTTP/1.1"]


async def test_an_ollama_without_models_is_still_an_ollama(answer_with):
    assert await find_ollama(await answer_with(http('{"models": []}'))) == []


@pytest.mark.parametrize(
    "raw",
    [
        http("not json"),
        http('{"models": null}'),
        http("[]"),
        http("{}", status="500 Internal Server Error"),
        http("", status="404 Not Found"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
async def test_something_else_on_that_port_is_no_ollama(answer_with, raw):
    assert await find_ollama(await answer_with(raw)) is None


async def test_nothing_there_or_nothing_said_is_no_ollama(answer_with):
    silent = await answer_with(None)
    assert await find_ollama(silent, timeout=0.1) is None
    assert await find_ollama("http://127.0.0.1:1") is None
    assert await find_ollama("not a url") is None
