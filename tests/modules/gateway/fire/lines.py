"""One line of a table: what an upstream does, and what everybody must see of it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from doubles.gateway_process import Row
from doubles.hostile_upstream import GOOD, GOOD_STREAM, HostileUpstream, Script, again, answer
from modules.gateway.fire.bed import (
    CHAT,
    INPUT_PRICE,
    OUTPUT_PRICE,
    Bed,
    broke_off,
    content,
    refused,
)
from paifang.modules.gateway.relay.usage import TextCount

PROMPT = 8
"""Model tokens that the gateway estimates for the request of the tests."""
COST = 3 * INPUT_PRICE + 2 * OUTPUT_PRICE
"""Nanos of a sound answer."""
HASTY = {"connect_timeout": 0.3, "first_byte_timeout": 0.3, "idle_timeout": 0.3}
"""A channel's time-outs where the upstream is to run into one."""


@dataclass(frozen=True)
class Line:
    """An upstream's script, and the error it comes to."""

    script: Script
    status: int
    """What the client gets when there is no other channel."""
    code: str
    outcome: str = "upstream_error"
    elsewhere: bool = True
    """Another channel is asked."""
    waits: Mapping[str, float] | None = None
    """Time-outs of the channel, when not the usual ones."""


def good_script(body: Mapping[str, Any]) -> Script:
    """A sound answer to that request, on a connection that stays."""
    return [*GOOD_STREAM, again] if body.get("stream") else [answer(GOOD), again]


async def fails(
    bed: Bed,
    line: Line,
    body: Mapping[str, Any] = CHAT,
    *,
    tls: ssl.SSLContext | None = None,
) -> httpx.Response:
    """The call fails as the line says, is recorded so and costs nothing; with another channel
    behind the first, that one answers the same call, or is left alone, as the line says.
    """
    async with HostileUpstream(line.script, tls=tls) as upstream:
        await bed.channel(upstream.url, **(line.waits or {}))
        got = await bed.ask(body)
        refused(got, line.status, line.code)
        assert_failed((await bed.rows(1))[0], line, got)
        assert upstream.connections == 1
        if line.elsewhere:
            await answered_by_a_second(bed, body)
        else:
            await kept_from_a_second(bed, line, body)
    return got


def assert_failed(row: Row, line: Line, got: httpx.Response) -> None:
    """The record of a call without an answer."""
    assert row["request_id"] == got.headers["x-request-id"]
    found = (row["outcome"], row["status"], row["error"], row["attempts"])
    assert found == (line.outcome, line.status, line.code, 1)
    assert (row["cost"], row["input"], row["output"]) == (0, 0, 0)


async def kept_from_a_second(bed: Bed, line: Line, body: Mapping[str, Any] = CHAT) -> None:
    """What is wrong with a request is wrong elsewhere, too: no other channel is asked."""
    async with HostileUpstream(good_script(body)) as second:
        await bed.channel(second.url)
        got = await bed.ask(body)
        refused(got, line.status, line.code)
        assert second.connections == 0
        assert_failed((await bed.rows())[-1], line, got)


async def answered_by_a_second(bed: Bed, body: Mapping[str, Any] = CHAT) -> None:
    """With a channel that is asked first and fails, another one gives the answer."""
    async with HostileUpstream(good_script(body)) as second:
        spare = await bed.channel(second.url)
        assert_answered(await bed.ask(body), body)
        assert len(second.requests) == 1
        row = (await bed.rows())[-1]
        assert (row["outcome"], row["attempts"], row["channel_id"]) == ("completed", 2, spare)
        assert (row["cost"], row["estimated"]) == (COST, 0)


def assert_answered(got: httpx.Response, body: Mapping[str, Any] = CHAT) -> None:
    """The client has the whole sound answer and nothing else."""
    assert got.status_code == 200, got.text
    if body.get("stream"):
        assert content(got.text) == "fine words"
        assert got.text.endswith("data: [DONE]\n\n")
    else:
        assert got.content == GOOD


async def cut(
    bed: Bed,
    script: Script,
    code: str,
    said: str,
    *,
    tls: ssl.SSLContext | None = None,
    **channel: Any,
) -> Row:
    """A stream with some content that breaks off: an error event ends it, nobody else is asked,
    and what the client saw is billed.
    """
    body = {**CHAT, "stream": True}
    async with (
        HostileUpstream(script, tls=tls) as first,
        HostileUpstream(good_script(body)) as second,
    ):
        await bed.channel(first.url, **channel)
        await bed.channel(second.url)
        got = await bed.ask(body)
        assert got.status_code == 200
        broke_off(got.text, code)
        seen = got.text[: got.text.rindex("data: ")]
        assert content(seen) == said
        assert second.requests == []
        row = await bed.row()
        assert row["request_id"] == got.headers["x-request-id"]
        assert (row["outcome"], row["status"], row["error"]) == ("interrupted", 200, code)
        assert row["attempts"] == 1
        assert_estimated(row, said)
    return row


def assert_estimated(row: Row, said: str) -> None:
    """Billed by what was delivered, the upstream having told no numbers."""
    count = TextCount()
    count.add(said)
    assert (row["estimated"], row["input"], row["output"]) == (1, PROMPT, count.tokens)
    assert row["cost"] == PROMPT * INPUT_PRICE + count.tokens * OUTPUT_PRICE
