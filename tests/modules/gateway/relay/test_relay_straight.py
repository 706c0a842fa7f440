"""What passes a call without waking its task: as good as what its task sends, at any moment."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doubles.relay_server import INTERNAL_KEY, KEY, channel, snapshot
from paifang.core.exchange import ClientGone
from paifang.core.limits import Limiter
from paifang.modules.gateway.relay import journal as segments
from paifang.modules.gateway.relay.admission import Admission
from paifang.modules.gateway.relay.app import Relay
from paifang.modules.gateway.relay.journal import Journal
from paifang.modules.gateway.relay.record import Record
from paifang.modules.gateway.relay.settings import RelaySettings
from paifang.modules.gateway.relay.upstream import Response, UpstreamError

BODY = json.dumps(
    {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "one two"}]}
).encode()
HEADERS = (
    (b"authorization", b"Bearer " + KEY.encode()),
    (b"content-length", b"%d" % len(BODY)),
)
USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
DONE = b"data: [DONE]\n\n"


def event(text: str, **fields: Any) -> bytes:
    choices = [{"index": 0, "delta": {"content": text}, "finish_reason": None}]
    return b"data: " + json.dumps({"id": "x", "choices": choices, **fields}).encode() + b"\n\n"


class Client:
    """An exchange whose client is slow, or leaves, when the test says so."""

    path = "/v1/chat/completions"
    address = "127.0.0.1"
    headers = HEADERS
    note: Any = None
    task: asyncio.Task[Any] | None = None
    begun = False

    def __init__(self, *, straight: bool) -> None:
        self.straight = straight
        self.got = b""
        self.sent_now = 0
        self.broken = False
        self._gone = False
        self._left: Callable[[], None] | None = None
        self._keeps_up = asyncio.Event()
        self._keeps_up.set()

    async def read(self, limit: int, stated: int | None) -> bytes:
        del limit, stated
        return BODY

    def watch(self, gone: Callable[[], None]) -> None:
        self._left = gone

    def unwatch(self) -> None:
        self._left = None

    async def answer(self, status: int, block: bytes, body: bytes, *, close: bool = False) -> None:
        del block, close
        self.got += b"%d " % status + body

    async def send(self, block: bytes, data: bytes, *, last: bool) -> None:
        del block
        if not self._gone:
            await self._keeps_up.wait()
        if not self._gone:
            self.begun = True
            self.got += data
        elif not last:
            raise ClientGone

    def send_now(self, data: bytes) -> bool:
        if self.broken:
            raise RuntimeError("the handle is gone")
        if not (self.straight and self.begun and self._keeps_up.is_set()) or self._gone:
            return False
        self.sent_now += 1
        self.got += data
        return True

    def be(self, how: str) -> None:
        """Slow, fast again, or gone."""
        if how == "slow":
            self._keeps_up.clear()
            return
        self._gone = self._gone or how == "gone"
        self._keeps_up.set()
        if how == "gone" and self._left is not None:
            gone, self._left = self._left, None
            gone()


class Upstream:
    """A pool with one answer, which comes when the test says so."""

    paused = False

    def __init__(self) -> None:
        self.response = Response(self, asyncio.get_running_loop())
        self.response.status = 200
        self.response.headers = [(b"content-type", b"text/event-stream")]
        self.abandoned = False

    async def send(self, *_request: object) -> Response:
        return self.response

    def resume(self) -> None:
        raise AssertionError

    def abandon(self, response: Response) -> None:
        del response
        self.abandoned = True

    def give(self, data: bytes, parts: int = 1) -> None:
        """As a connection does with the chunks of one read."""
        response = self.response
        for at in range(parts):
            part = data[len(data) * at // parts : len(data) * (at + 1) // parts]
            if part:
                response.parts.append(part)
                response.buffered += len(part)
        response.arrived()

    def end(self, *, well: bool) -> None:
        if well:
            self.response.complete = True
            self.response.wake()
        else:
            self.response.fail(UpstreamError("reset", "it broke off", sent=True))


async def _settle() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


Step = tuple[str, bytes, int]


async def _story(
    steps: Sequence[Step], *, straight: bool, watched: bool, folder: Path
) -> tuple[Client, Upstream, Record]:
    book = Journal(folder)
    upstream, client = Upstream(), Client(straight=straight)
    relay = Relay(
        journal=book,
        pool=upstream,  # type: ignore[arg-type]  # as much of one as a call needs
        admission=Admission(Limiter()),
        internal_key=INTERNAL_KEY,
        settings=RelaySettings(watch_after=0 if watched else 60, end_of_stream_wait=0),
    )
    relay.use(snapshot({"chat": (channel("http://127.0.0.1:1/v1"),)}))
    client.task = asyncio.create_task(relay.serve(client))
    await _settle()
    await asyncio.sleep(0.002 if watched else 0)
    for what, data, parts in steps:
        if what == "piece":
            if not (upstream.abandoned or upstream.response.complete):
                upstream.give(data, parts)
        elif what == "settle":
            await _settle()
        elif what in {"end", "break"}:
            upstream.end(well=what == "end")
        elif what == "break-the-client":
            client.broken = True
        else:
            # What is on its way arrives before: who leaves pays for what was sent, and a task
            # sends it a moment later.
            await _settle()
            client.be(what)
    await _settle()
    if not upstream.response.complete and upstream.response.error is None:
        upstream.end(well=False)
    client.be("fast")
    await asyncio.wait_for(client.task, 10)
    found, _ = segments.read(book.path, 0, 9)
    book.close()
    (record,) = map(Record.from_bytes, found)
    return client, upstream, record


def told(steps: Sequence[Step], *, straight: bool, watched: bool = False) -> tuple[Any, ...]:
    """What the client gets, and what it is billed."""
    with tempfile.TemporaryDirectory() as name:
        client, upstream, record = asyncio.run(
            _story(steps, straight=straight, watched=watched, folder=Path(name))
        )
    same = asdict(record)
    for field in ("request_id", "started_at", "duration_ms", "first_byte_ms"):
        del same[field]
    return client.got.replace(record.request_id.encode(), b"id"), upstream.abandoned, same


@st.composite
def stories(draw: st.DrawFn) -> list[Step]:
    """A stream, cut anywhere, and a client that is now and then slow, or leaves."""
    kinds = {
        "p": event("word "),
        "t": event("[DON 牌坊"),
        "n": event("", usage=None),
        "u": event("", usage=USAGE),
        "l": event("x" * 40_000),
        "c": b": still here\n\n",
        "x": b'data: {"error": {"message": "no more"}}\n\n',
        "d": DONE,
    }
    drawn = draw(st.lists(st.sampled_from("ppppptnulcxd"), max_size=12))
    events = [event("first"), *(kinds[kind] for kind in drawn)]
    stream = b"".join(events)
    ends = {sum(map(len, events[: n + 1])) for n in range(len(events))}
    cuts = set(draw(st.lists(st.integers(1, len(stream)), max_size=4)))
    places = sorted(cuts | {end for end in ends if draw(st.integers(0, 4))} | {len(stream)})
    moods = ["settle"] * 6 + ["", "", "slow", "fast", "gone", "break"]
    steps: list[Step] = []
    for start, stop in zip([0, *places], places, strict=False):
        steps.append(("piece", stream[start:stop], draw(st.integers(1, 3))))
        mood = draw(st.sampled_from(moods))
        if mood:
            steps.append((mood, b"", 0))
        if mood == "break":
            return steps
    return [*steps, (draw(st.sampled_from(["end", "break", "slow"])), b"", 0)]


@settings(max_examples=150, deadline=None)
@given(stories(), st.booleans())
def test_the_straight_way_gives_the_same_bytes_and_the_same_bill(steps, watched):
    assert told(steps, straight=True, watched=watched) == told(
        steps, straight=False, watched=watched
    )


PIECES: list[Step] = [
    step for n in range(6) for step in (("piece", event(f"w{n}"), 1), ("settle", b"", 0))
]


async def test_a_usual_piece_wakes_nobody(tmp_path: Path) -> None:
    steps = [*PIECES, ("piece", DONE, 1), ("settle", b"", 0), ("end", b"", 0)]
    client, _, record = await _story(steps, straight=True, watched=False, folder=tmp_path)
    assert client.sent_now == 5  # all but the first, which carries the head, and the end
    assert client.got == b"".join(event(f"w{n}") for n in range(6)) + DONE
    assert (record.outcome, record.estimated) == ("completed", True)


async def test_what_has_not_been_sent_yet_goes_first(tmp_path: Path) -> None:
    half, rest = event("half")[:20], event("half")[20:]
    slow = [("slow", b"", 0), ("piece", event("1"), 1), ("settle", b"", 0)]
    pieces = [("piece", event("2"), 1), ("piece", half, 1), ("fast", b"", 0)]
    steps = [*PIECES, *slow, *pieces, ("settle", b"", 0), ("piece", rest + event("3"), 1)]
    client, *_ = await _story(steps, straight=True, watched=False, folder=tmp_path)
    said = b"".join(event(text) for text in ("1", "2", "half", "3"))
    assert said in client.got


@pytest.mark.parametrize("watched", [True, False])
async def test_who_has_left_gets_no_more_and_the_upstream_is_cancelled(
    tmp_path: Path, *, watched: bool
) -> None:
    steps = [*PIECES, ("gone", b"", 0), ("piece", event("late"), 1), ("settle", b"", 0)]
    client, upstream, record = await _story(steps, straight=True, watched=watched, folder=tmp_path)
    assert client.got == b"".join(event(f"w{n}") for n in range(6))
    assert upstream.abandoned
    assert (record.outcome, record.output) == ("client_gone", 3)  # 12 characters


async def test_a_fault_in_sending_is_the_calls_not_the_upstreams(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    steps = [*PIECES, ("break-the-client", b"", 0), ("piece", event("lost"), 1)]
    client, upstream, record = await _story(steps, straight=True, watched=False, folder=tmp_path)
    assert (record.outcome, record.error) == ("interrupted", "internal_error")
    assert upstream.abandoned
    assert b"lost" not in client.got
    assert "failed by a fault of the relay" in caplog.text
