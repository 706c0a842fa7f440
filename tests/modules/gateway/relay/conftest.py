"""A relay and an upstream, both on real sockets."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from doubles.openai_upstream import OpenAIDouble
from doubles.relay_server import KEY, RelayServer, channel, relay_server, snapshot


@pytest.fixture
async def upstream() -> AsyncIterator[OpenAIDouble]:
    """An upstream that does what it is told."""
    async with OpenAIDouble() as double:
        yield double


@pytest.fixture
async def server(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[RelayServer]:
    """A relay that knows nothing yet; with the parameter ``asgi`` behind uvicorn's protocol."""
    asgi = getattr(request, "param", "") == "asgi"
    async with relay_server(tmp_path / "journal", asgi=asgi) as running:
        yield running


@pytest.fixture
async def relay(server: RelayServer, upstream: OpenAIDouble) -> RelayServer:
    """A relay with one token, one channel and the priced model ``chat``."""
    server.relay.use(snapshot({"chat": (channel(upstream.url),)}))
    return server


@pytest.fixture
async def client(server: RelayServer) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends the key of the tests."""
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=20) as made:
        yield made
