"""AI Proxy's API as its front end sees it, on a real database."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from doubles.api import api_of
from paifang.core.runtime import Runtime


class Proxy:
    """A client that looks into the envelope."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The data of a success."""
        answer = await self.client.request(method, path, json=body, params=query or None)
        envelope = answer.json()
        assert answer.status_code == 200, answer.text
        assert list(envelope)[:3] == ["success", "message", "data"]
        assert (envelope["success"], envelope["message"]) == (True, ""), answer.text
        return envelope["data"]

    async def refused(self, method: str, path: str, body: Any = None, **query: Any) -> str:
        """The message of a refusal, which is a 200 all the same."""
        answer = await self.client.request(method, path, json=body, params=query or None)
        envelope = answer.json()
        assert answer.status_code == 200, answer.text
        assert (envelope["success"], envelope["data"]) == (False, None), answer.text
        message: str = envelope["message"]
        assert message
        return message


@pytest.fixture
async def proxy(runtime: Runtime) -> AsyncIterator[Proxy]:
    """A client with the administrator key, without ``Bearer`` before it, as that service has it."""
    app = api_of(runtime)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://paifang.test",
        headers={"Authorization": runtime.secrets.admin_key},
    ) as client:
        yield Proxy(client)
