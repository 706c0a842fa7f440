"""A whole API in this process, and the three who call it: nobody, a member, an administrator."""

import asyncio
import json
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
import schemathesis

from matrix.walk import Example, Walked, World, every_route, load_examples, the_app
from paifang.core.guard import BodyGuard
from paifang.core.headers import SecurityHeaders
from paifang.core.logs import RequestIdMiddleware
from paifang.core.runtime import Runtime
from schema.asking import ask
from schema.cases import CHECKS
from security.audit import faults

load_examples()
WALKED = {(route.method, route.template): route for route in every_route()}

BASE = "https://paifang.test"
CALLERS = ("nobody", "member", "administrator")


class House:
    """The installation and its callers. It lives on a loop of its own: tests here are plain."""

    def __init__(self, runtime: Runtime) -> None:
        self.runner = asyncio.Runner()
        self._runtime = runtime
        self._world = World(runtime)
        settings = runtime.settings
        self._app = RequestIdMiddleware(
            SecurityHeaders(
                BodyGuard(the_app(runtime), settings.max_api_body_bytes, settings.api_body_timeout),
                https=True,
            )
        )
        self._credentials: dict[str, dict[str, str]] = {"nobody": {}}
        self._calls = 0
        self.runner.run(self._world.found())

    def close(self) -> None:
        """Let go of the database."""
        self.runner.run(self._runtime.db.close())
        self.runner.close()

    def look(self, case: schemathesis.Case) -> None:
        """Send a request as each of the callers, and look at what they are told."""
        for who in CALLERS:
            try:
                self._look(case, who)
            except (AssertionError, ExceptionGroup) as failure:
                failure.add_note(f"as {who}")
                raise

    def _look(self, case: schemathesis.Case, who: str) -> None:
        response = self.runner.run(self._send(case, who))
        case.validate_response(response, checks=CHECKS)
        self.check(response, who)

    def check(self, response: schemathesis.Response, who: str) -> None:
        """Look at what holds for every answer."""
        if response.status_code == 401:
            self._credentials.pop(who, None)  # it has ended its own session, or itself
        self._credentials.setdefault("nobody", {})
        if response.status_code == 502:  # somebody else's server does not answer
            assert response.json()["code"] == "upstream_failed"
        else:
            assert response.status_code < 500, response.content
        path = urlsplit(str(response.request.url)).path
        assert faults(path, response.status_code, response.headers, https=True) == []
        told = response.headers["content-type"][0] if response.content else ""
        if told == "application/problem+json":
            problem = response.json()
            assert problem["status"] == response.status_code
            assert [problem["request_id"]] == response.headers["x-request-id"]

    def call(self, who: str, walked: Walked, **changes: Any) -> schemathesis.Response:
        """Call a route as its example does, but for what is changed; look at the answer."""
        response = self.runner.run(self._call(who, walked, changes))
        self.check(response, who)
        return response

    async def _call(
        self, who: str, walked: Walked, changes: Mapping[str, Any]
    ) -> schemathesis.Response:
        headers = await self._credentials_of(who)
        made = await self._world.example_of(walked)
        path = dict(made.path)
        if made.mine is not None and who != "nobody":
            path |= await made.mine(self._world, self._world.people[headers["Authorization"]])
        path |= changes.get("path", {})
        body = changes.get("content", made.content)
        kind = {"content-type": "application/json"}
        if body is None and ("json" in changes or made.json is not None):
            body = json.dumps(changes.get("json", made.json)).encode()
        elif body is None and made.form is not None:
            body = urlencode(made.form).encode()
            kind = {"content-type": "application/x-www-form-urlencoded"}
        request = requests.Request(
            walked.method,
            BASE + walked.template.format(**{k: quote(str(v), safe="%") for k, v in path.items()}),
            params={**made.query, **changes.get("query", {})},
            data=body,
            headers={**kind, **made.headers, **headers, **changes.get("headers", {})},
        )
        return await self._ask(request)

    async def example(self, walked: Walked) -> Example:
        """How a route is called."""
        return await self._world.example_of(walked)

    async def _credentials_of(self, who: str) -> dict[str, str]:
        if who not in self._credentials:
            maker = self._world.member if who == "member" else self._world.administrator
            self._credentials[who] = await maker()
        return self._credentials[who]

    async def _ask(self, request: requests.Request) -> schemathesis.Response:
        # Each call from another address: else guessing is all that is ever answered.
        self._calls += 1
        return await ask(self._app, request.prepare(), f"2001:db8::{self._calls:x}")

    async def _send(self, case: schemathesis.Case, who: str) -> schemathesis.Response:
        headers = await self._credentials_of(who)
        arguments = case.as_transport_kwargs(base_url=BASE)
        walked = WALKED.get((case.method.upper(), case.operation.path))
        if who == "administrator" and walked is not None and _is_to_be_found(case):
            arguments["url"] = BASE + await self._existing(walked, headers)
        arguments["headers"] = {**arguments["headers"], **headers}
        return await self._ask(requests.Request(**arguments))

    async def _existing(self, walked: Walked, headers: Mapping[str, str]) -> str:
        """The path of what is there, made for this call."""
        example = await self._world.example_of(walked)
        path = dict(example.path)
        if example.mine is not None:
            path |= await example.mine(self._world, self._world.people[headers["Authorization"]])
        return walked.template.format(**{k: quote(str(v), safe="") for k, v in path.items()})


def _is_to_be_found(case: Any) -> bool:
    """Whether the path names what is there; about one in four asks for what was made up."""
    if not case.path_parameters:
        return False
    return zlib.crc32(repr(case.path_parameters).encode("utf-8", "replace")) % 4 != 0
