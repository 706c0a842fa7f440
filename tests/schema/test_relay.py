"""The calls of models at ``/v1``, tried out over a real socket, through to a real upstream.

They go through our own protocol, so by the short way that hot paths have. Whatever a client sends,
it is answered in OpenAI's shape, and never with a fault of ours; the upstream's own words pass.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis

from conftest import ADMIN_KEY
from doubles.openai_upstream import OpenAIDouble
from paifang.core.settings import CoreSettings
from schema.cases import CHECKS, operations, read, try_out
from schema.relay_document import DOCUMENT
from security.audit import faults
from security.serving import Served, serving

SCHEMA = read(DOCUMENT)


class Gateway:
    """It, its upstream, and who calls it: plain, on a loop of its own that stands between calls."""

    def __init__(self, settings: CoreSettings) -> None:
        self.runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.served: Served
        self.runner.run(self._open(replace(settings, public_url="https://paifang.example.org")))

    async def _open(self, settings: CoreSettings) -> None:
        upstream = await self._stack.enter_async_context(OpenAIDouble())
        self.served = served = await self._stack.enter_async_context(serving(settings))
        served.client.headers["authorization"] = f"Bearer {ADMIN_KEY}"
        for path, body in (
            ("channels", {"name": "double", "base_url": upstream.url, "models": ["chat"]}),
            ("groups", {"id": "team"}),
            ("tokens", {"group_id": "team", "name": "calls"}),
        ):
            kind = {"provider": "openai"} if path == "channels" else {}
            made = await served.client.post(f"/api/v1/gateway/{path}", json=body | kind)
            assert made.is_success, made.text
        self.callers = {"nobody": "", "token": f"Bearer {made.json()['key']}"}

    def close(self) -> None:
        """End all of it."""
        self.runner.run(self._stack.aclose())
        self.runner.close()

    def look(self, case: schemathesis.Case) -> None:
        """Call as each of the callers, and look at what they are told."""
        for who, key in self.callers.items():
            try:
                self._look(case, key)
            except (AssertionError, ExceptionGroup) as failure:
                failure.add_note(f"as {who}")
                raise

    def _look(self, case: schemathesis.Case, key: str) -> None:
        base = f"http://127.0.0.1:{self.served.port}"
        arguments = case.as_transport_kwargs(base_url=base)
        prepared = requests.Request(**arguments).prepare()
        headers = {
            name: value
            for name, value in prepared.headers.items()
            if name.lower() in {"content-type", "accept"}
        }
        if key:
            headers["authorization"] = key
        found = self.runner.run(self._send(prepared, headers))
        assert found.status_code < 500, found.content
        case.validate_response(found, checks=CHECKS)
        path = urlsplit(str(prepared.url)).path
        assert faults(path, found.status_code, found.headers, https=True) == []
        assert found.headers["x-request-id"]

    async def _send(
        self, prepared: requests.PreparedRequest, headers: dict[str, str]
    ) -> schemathesis.Response:
        client = self.served.client
        client.headers.pop("authorization", None)
        body = prepared.body or b""
        answer = await client.request(
            prepared.method or "", prepared.url or "", content=body, headers=headers
        )
        return schemathesis.Response(
            status_code=answer.status_code,
            headers={name: answer.headers.get_list(name) for name in answer.headers},
            content=answer.content,
            request=prepared,
            elapsed=0.0,
            verify=False,
            encoding="utf-8",
        )


@pytest.fixture
def gateway(settings: CoreSettings) -> Iterator[Gateway]:
    made = Gateway(settings)
    yield made
    made.close()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("method", "path"), operations(DOCUMENT))
def test_a_call_answers_as_clients_expect(method: str, path: str, gateway: Gateway) -> None:
    try_out(SCHEMA, method, path, gateway.look, coverage=60, examples=40)
