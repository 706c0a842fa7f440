"""What the tests of clients have in common: bytes that go in, answers that must come out."""

import json
import re
from collections.abc import Iterable

from doubles.gateway_process import Row
from doubles.hostile_upstream import (
    DONE,
    FINISH,
    GOOD,
    STREAM_HEAD,
    USAGE,
    HostileUpstream,
    Peer,
    again,
    answer,
    chunk,
    event,
    unread,
)
from doubles.raw_client import Answer, RawClient, chat, connected, request
from modules.gateway.fire.bed import PATH, Bed, eventually

PATHS = (PATH, f"{PATH}?way=2")
"""One call with two addresses: the server has a short way for the first one and none for the
second, and nobody may see a difference."""

_END = b"0\r\n\r\n"
_HELLO = GOOD.replace(b"fine words", b"%s")


async def _echo(peer: Peer) -> None:
    request = await peer.request()
    if not request:
        raise ConnectionResetError
    data = json.loads(request.partition(b"\r\n\r\n")[2])
    text = data["messages"][0]["content"]
    if data.get("stream"):
        await peer.write(STREAM_HEAD + chunk(event(text)))
        await peer.write(chunk(FINISH + USAGE + DONE) + _END)
    else:
        await peer.write(answer(_HELLO % json.dumps(text)[1:-1].encode()))


def echoing() -> HostileUpstream:
    """An upstream that says what it is told; each answer costs the same as ``GOOD``."""
    return HostileUpstream([unread, _echo, again])


def call(key: str, content: str = "one two three", *headers: str, **options: object) -> bytes:
    """A good call's bytes."""
    return request(chat(content=content), *headers, key=key, **options)  # type: ignore[arg-type]  # its own


async def alone(bed: Bed, *data: bytes, method: str = "POST") -> Answer:
    """The answer to what is sent on a connection of its own; nothing must come after it."""
    async with connected(bed.gateway.port) as client:
        await client.send(*data)
        found = await client.answer(method)
        if found.closes:
            assert await client.closed() == b""
        else:
            assert await client.is_open(0)
        return found


async def refused_as_http(
    bed: Bed, data: bytes, statuses: Iterable[int] = (400,), *, method: str = "POST"
) -> None:
    """It is no HTTP that anybody may act on: one answer that says so, and the end."""
    found = await alone(bed, data, method=method)
    assert found.status in statuses, (data, found)
    assert found.closes, (data, found)
    assert found.body, (data, found)


def refusal(found: Answer, status: int, code: str) -> None:
    """Check an error answer in OpenAI's shape."""
    assert found.headers["content-type"] == "application/json"
    assert found.json.keys() == {"error"}
    assert found.json["error"].keys() == {"message", "type", "param", "code"}
    assert (found.status, found.code) == (status, code), found
    assert re.fullmatch(r"[0-9a-f]{32}", found.headers["x-request-id"])


async def still_good(client: RawClient, bed: Bed, content: str = "still here") -> None:
    """The connection serves on: nothing of what was before is left on it."""
    await client.send(call(bed.key, content))
    bed.records_due += 1
    found = await client.answer()
    assert (found.status, found.text) == (200, content)


async def recorded(bed: Bed) -> list[Row]:
    """This test's records when nothing goes on any more, however many they are."""
    await bed.settle()

    def stored() -> bool:
        metric = bed.gateway.metric
        return metric("paifang_gateway_calls_total") == metric("paifang_gateway_logs_stored_total")

    await eventually(stored, lambda: "records wait in the journal")
    return bed._rows()


async def nothing_done(bed: Bed, *, at_most: int) -> None:
    """Of these requests the server may have seen a call in each or in none; none was served."""
    rows = await recorded(bed)
    assert len(rows) <= at_most
    for row in rows:
        assert row["outcome"] in {"client_gone", "refused"}
        assert (row["attempts"], row["cost"]) == (0, 0)
    bed.records_due = len(rows)
