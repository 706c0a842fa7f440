"""What a test under fire works with, and what must be as before after every one of them."""

import asyncio
import json
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from doubles.gateway_process import Gateway, Held, Row
from doubles.hostile_upstream import GOOD
from doubles.installation import ADMIN_KEY, made
from doubles.steady_upstream import Steady

SETTLE_SECONDS = 15.0
"""Longest wait until a gateway has let go of everything; it is a wait for the machine alone."""

INPUT_PRICE, OUTPUT_PRICE = 1_000, 2_000
"""Nanos per model token of the model ``chat``."""
QUOTA = "0.008"
"""Of every token, by default: less than one call holds while it is in flight (4,096 tokens out),
and more than all calls of a test cost. A hold that is not given back shows in the next call."""

MOST_USED = 4_000_000
"""Nanos that a token may have spent to be lent to another test."""

CHAT: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}
STREAM: dict[str, Any] = {**CHAT, "stream": True}
PATH = "/v1/chat/completions"

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: to load the system's roots for each would cost more than the test."""


def client(url: str, key: str = "") -> httpx.AsyncClient:
    """A client of the gateway; of ``key``'s owner, if one is given."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(
        base_url=url, headers=headers, timeout=60, trust_env=False, verify=NO_TLS
    )


def prepare(gateway: Gateway, steady: Steady) -> None:
    """Make what all tests share, and note what the gateway holds when nothing goes on."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "connection": "close"}
    base = f"{gateway.url}/api/v1/gateway"
    with httpx.Client(base_url=base, headers=headers, timeout=30, verify=NO_TLS) as admin:
        for path, body in (
            ("/groups", {"id": "fire"}),
            ("/prices", {"model": "chat", "input": "1", "output": "2"}),
            (
                "/channels",
                {
                    "name": "steady",
                    "provider": "openai",
                    "base_url": steady.url,
                    "models": ["steady"],
                },
            ),
        ):
            answer = admin.post(path, json=body)
            assert answer.is_success, answer.text
    gateway.at_rest = gateway.held()
    for _ in range(20):  # until two looks in a row are the same
        time.sleep(0.1)
        before, gateway.at_rest = gateway.at_rest, gateway.held()
        if before == gateway.at_rest:
            return
    raise AssertionError(f"the gateway is never at rest: {before}, {gateway.at_rest}")


@dataclass
class Bed:
    """What one test works with: channels and tokens of its own in the shared gateway."""

    gateway: Gateway
    steady: Steady
    http: httpx.AsyncClient
    """Calls with the default key; its calls are counted, and each must leave one record."""
    admin: httpx.AsyncClient
    key: str = ""
    keys: list[str] = field(default_factory=list)
    token_ids: list[str] = field(default_factory=list)
    channel_ids: list[str] = field(default_factory=list)
    records_before: int = 0
    """The last record's id when the test began."""
    records_due: int = 0
    """Records there must be in the end; calls by other ways than ``http`` add to it."""
    log_start: int = 0
    _first_key: str = ""
    expected_faults: list[str] = field(default_factory=list)
    """Patterns of log lines of the level ERROR that this test is about."""

    @property
    def url(self) -> str:
        """Without ``/v1``."""
        return self.gateway.url

    async def token(self, **fields: Any) -> str:
        """A new token's key; by default one call at a time, and :data:`QUOTA`."""
        name = f"t{time.monotonic_ns()}"
        values = {"group_id": "fire", "name": name, "concurrency": 1, "quota": QUOTA, **fields}
        token = await made(self.admin, "/tokens", values)
        self.keys.append(token["key"])
        self.token_ids.append(token["id"])
        return str(token["key"])

    async def first_token(self) -> str:
        """The key that the test calls with: one that an earlier test has left in good order, if
        there is one, for a new one costs as much as many calls.
        """
        self.records_before = self.gateway.select("select max(id) as id from logs")[0]["id"] or 0
        if not self.gateway.spare_tokens:
            self._first_key = await self.token()
        else:
            token_id, self._first_key = self.gateway.spare_tokens.pop()
            self.keys.append(self._first_key)
            self.token_ids.append(token_id)
        return self._first_key

    async def channel(self, url: str, **fields: Any) -> str:
        """A new channel for ``chat``; its id. The later one is asked later."""
        rank = len(self.channel_ids)
        values = {
            "name": f"c{rank}-{time.monotonic_ns()}",
            "provider": "openai",
            "base_url": url,
            "credential": "sk-upstream-secret",
            "models": ["chat"],
            "priority": -rank,
            "connect_timeout": 5,
            "first_byte_timeout": 30,
            "idle_timeout": 30,
            **fields,
        }
        channel = await made(self.admin, "/channels", values)
        self.channel_ids.append(channel["id"])
        return str(channel["id"])

    async def ask(self, body: Mapping[str, Any] = CHAT, **options: Any) -> httpx.Response:
        """One call with the default key, its whole answer."""
        return await self.http.post(PATH, json=body, **options)

    async def rows(self, count: int | None = None) -> list[Row]:
        """This test's records in the database, oldest first, when there are so many (by default
        as many as are due). There must not be more.
        """
        wanted = self.records_due if count is None else count
        found: list[Row] = []

        def complete() -> bool:
            nonlocal found
            found = self._rows()
            return len(found) >= wanted

        await eventually(complete, lambda: f"{len(found)} of {wanted} records")
        assert len(found) == wanted, [dict(row) for row in found]
        return found

    async def row(self) -> Row:
        """The record of the one call that was made."""
        (found,) = await self.rows(1)
        return found

    def _rows(self) -> list[Row]:
        marks = ", ".join("?" * len(self.token_ids))
        return self.gateway.select(
            f"select * from logs where token_id in ({marks}) and model <> 'steady' and id > ? "
            "order by id",
            *self.token_ids,
            self.records_before,
        )

    async def settle(self) -> Held:
        """Wait until the gateway holds what it held before; fail when that does not come."""
        at_rest = held = self.gateway.at_rest

        def same() -> bool:
            nonlocal held
            held = self.gateway.held()
            return held == at_rest

        try:
            await eventually(same, lambda: f"at rest: {at_rest}\nnow: {held}")
        except AssertionError:
            self.gateway.at_rest = held  # the next test is not to fail by this one's leak
            raise
        return held

    async def count(self, request: httpx.Request) -> None:
        """A call goes out, of which there must be a record."""
        if request.method == "POST" and request.url.path.startswith("/v1/"):
            self.records_due += 1

    async def finish(self) -> None:
        """All that must hold after every test."""
        await self.settle()
        rows = await self.rows()
        assert len({row["request_id"] for row in rows}) == len(rows)
        used = [self._check_money(token_id) for token_id in self.token_ids]
        for key in self.keys:
            async with client(self.url, key) as http:
                answer = await http.post(PATH, json={**CHAT, "model": "steady"})
                assert answer.status_code == 200, f"a slot or a hold was kept: {answer.text}"
                assert answer.content == GOOD
        self.check_log()
        if self._first_key in self.keys and used[0] < MOST_USED:
            self.gateway.spare_tokens.append((self.token_ids[0], self._first_key))

    def _check_money(self, token_id: str) -> int:
        """What a token has spent is what its calls cost; the nanos."""
        told, cost, requests, calls = self.gateway.select(
            "select used, (select coalesce(sum(cost), 0) from logs where token_id = ?), "
            "requests, (select count(*) from logs where token_id = ?) from tokens where id = ?",
            token_id,
            token_id,
            token_id.replace("-", ""),
        )[0]
        assert (told, requests) == (cost, calls)
        return int(told)

    def check_log(self) -> None:
        """No fault of the gateway's own was logged, but those the test is about."""
        for line in self.gateway.log[self.log_start :]:
            if any(re.search(pattern, line) for pattern in self.expected_faults):
                continue
            bad = '"level":"ERROR"' in line or '"level":"CRITICAL"' in line
            assert not bad, line
            assert "Traceback" not in line, line
            assert "sk-upstream-secret" not in line, line


async def eventually(condition: Callable[[], bool], tell: Callable[[], str]) -> None:
    """Wait until it holds, in a thread, so that the test's own servers go on."""
    deadline = time.monotonic() + SETTLE_SECONDS
    pause = 0.005
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, tell()
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.03)


# What an answer must look like.


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check an error answer in OpenAI's shape; return its ``error``."""
    assert answer.headers["content-type"] == "application/json"
    error = _error(answer.json())
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    return error


def broke_off(text: str, code: str) -> dict[str, Any]:
    """Check the end of a stream that was cut: whole events, the last of them the error."""
    assert text.endswith("\n\n"), text[-300:]
    assert "[DONE]" not in text
    last = text.strip("\n").split("\n\n")[-1].lstrip("\n")
    assert last.startswith("data: "), text[-300:]
    error = _error(json.loads(last.removeprefix("data: ")))
    assert error["code"] == code, error
    return error


def _error(body: Any) -> dict[str, Any]:
    assert set(body) == {"error"}, body
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    assert error["message"]
    assert error["type"]
    return error


def content(text: str) -> str:
    """The words in a stream's events, as a client reads them."""
    words = []
    for block in text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        data = "\n".join(
            line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")
        )
        if not data or data == "[DONE]":
            continue
        choices = json.loads(data).get("choices", [])
        words += [choice["delta"].get("content") or "" for choice in choices]
    return "".join(words)
