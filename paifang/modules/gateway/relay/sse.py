"""Reading a stream of server-sent events for usage while its bytes go by.

The bytes of an event are the upstream's own, always; what may happen to an event is to be
removed as a whole: the one with the usage that we asked for and the client did not. (A field
``"usage": null`` that this asking puts into the other events stays: the field is part of
OpenAI's format, and removing it would mean writing every event anew.) How the stream is cut
into pieces on its way makes no difference, neither to the bytes nor to the usage.

Events are handed on when they are complete, so a stream that breaks off ends between two
events. What comes after ``[DONE]`` is dropped, and so is an error event with all that follows:
what the client is told of it is not decided here. An event over ``max_event`` bytes passes unread
and uncounted, as it comes: memory stays bounded.
"""

import re
from collections.abc import Callable
from typing import Any

import orjson

from paifang.modules.gateway.relay.account import without
from paifang.modules.gateway.relay.meter import MalformedAnswerError
from paifang.modules.gateway.relay.record import Usage
from paifang.modules.gateway.relay.usage import AnswerCount, usage_from

COUNT_EVERY = 32 * 1024
"""Delivered bytes are kept uncounted up to here: most streams end with the provider's numbers,
and then nothing need be counted."""

_END = re.compile(rb"\n\n|\n\r\n|\r\r")
_LINE = re.compile(rb"\r\n|\n|\r")
_WHOLE = (b"\n\n", b"\r\n\r\n")
_BREAKS = re.compile(rb"[\r\n]*")
_MARK = b"\xef\xbb\xbf"
"""What marks UTF-8 at the begin of a stream (the standard allows one)."""
_TOLD = re.compile(rb'"usage"(?!\s*:\s*null)')


class StreamMeter:
    """Follows one stream: give it every chunk, send what it returns, read the usage at the end."""

    def __init__(self, *, strip: bool, max_event: int, secret: str = "") -> None:
        """``strip``: remove the usage that comes alone. An error with ``secret`` is not told."""
        self.started = False
        """An event with content was seen: anything but comments, usage alone, and errors."""
        self.done = False
        """``[DONE]`` was seen."""
        self.error: Any = None
        """The first error event's error."""
        self.usage: Usage | None = None
        """The last numbers the provider gave; :meth:`told` sets them."""
        self._strip = strip
        self._max_event = max_event
        self._secret = secret
        self._final = False
        self._tail = bytearray()
        self._skipping = b""
        self._between = False
        """The stream has begun and goes on, and no event is incomplete."""
        self._fresh: list[bytes] = []
        self._delivered: list[bytes] = []
        self._delivered_size = 0
        self._count = AnswerCount()
        self._counted = 0
        self._covered = 0
        self._size_covered = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes of the upstream; return those that may go to the client now.

        Raises :class:`MalformedAnswerError` when an event before the first content is no JSON.
        """
        if self._between and chunk.endswith(_WHOLE) and not _notable(chunk):
            self._fresh.append(chunk)
            return chunk
        out: list[bytes] = []
        at = 0
        while at < len(chunk) and not self.over:
            at = self._skip(chunk, at, out) if self._skipping else self._take(chunk, at, out)
        self._between = self.started and not self._tail and not self._skipping and not self.over
        return b"".join(out)

    def pass_on(self, send: Callable[[bytes], bool], chunk: bytes) -> bool:
        """Send a chunk as it is, if there is nothing to decide about it: as good as :meth:`feed`,
        sending what it returns, and :meth:`delivered`.

        False when ``send`` did not send it or there is something to decide: feed it then.
        """
        if not (self._between and chunk.endswith(_WHOLE) and not _notable(chunk) and send(chunk)):
            return False
        self._delivered.append(chunk)
        self._delivered_size += len(chunk)
        if self._delivered_size > COUNT_EVERY:
            self._count_delivered()
        return True

    @property
    def over(self) -> bool:
        """Nothing more is to be read: ``[DONE]`` or an error was seen."""
        return self.done or self.error is not None

    def flush(self) -> bytes:
        """The upstream has ended: return what is left, if it is an event without its empty line.

        Half an event is dropped.
        """
        rest = bytes(self._tail)
        self._tail.clear()
        if self.over or not _whole(rest) or not self._keep(rest):
            return b""
        return rest

    def cut(self) -> bytes:
        """The stream broke off: drop the incomplete event; return what ends one already sent."""
        self._tail.clear()
        return b"\n\n" if self._skipping else b""

    def delivered(self) -> None:
        """What was returned so far has been sent."""
        for part in self._fresh:
            self._delivered_size += len(part)
        self._delivered += self._fresh
        self._fresh.clear()
        if self._delivered_size > COUNT_EVERY:
            self._count_delivered()

    def finished(self) -> bool:
        """Whether the delivered stream came to its end: ``[DONE]`` or a reason to finish."""
        if not self.done:
            self._count_delivered()
        return self.done or self._count.finished

    def result(self, prompt: Callable[[], int], *, complete: bool) -> Usage:
        """What to bill: the provider's numbers when they cover the stream, else an estimate.

        ``prompt`` estimates the prompt and is called only when needed. With ``complete`` False
        the stream broke off or the client left: numbers given on the way count for the prompt,
        and the output is what was delivered. So it is when content came after the last numbers.
        """
        told = self.usage
        if told is not None and (complete or self._final) and not self._went_on():
            return told
        self._count_delivered()
        usage = self._count.usage(0 if told is not None else prompt())
        if told is not None:
            usage.input = told.input
            usage.cached_input = told.cached_input
            usage.cache_write = told.cache_write
            usage.output = max(usage.output, told.output)
            usage.reasoning = max(usage.reasoning, told.reasoning)
        return usage

    def told(self, usage: Usage | None) -> None:
        """The provider's numbers for all that was fed so far."""
        self.usage = usage
        self._covered = self._counted + len(self._delivered) + len(self._fresh)

    def _went_on(self) -> bool:
        """Whether content was delivered after the provider's last numbers."""
        if self._counted + len(self._delivered) <= self._covered:
            return False  # nearly always: the numbers come last
        self._count_delivered()
        return self._count.size > self._size_covered

    def _take(self, chunk: bytes, at: int, out: list[bytes]) -> int:
        """Read one event from what is held and ``chunk``; return where the next begins."""
        tail = self._tail
        if tail:
            held = len(tail)
            tail += chunk[at:]
            end = _END.search(tail, max(0, held - 2))
            if end is not None:
                event = bytes(tail[: end.end()])
                tail.clear()
                at += end.end() - held
        else:
            start = _skip_breaks(chunk, at)
            if start > at:
                out.append(chunk[at:start])
            end = _END.search(chunk, start)
            if end is not None:
                event = chunk[start : end.end()]
                at = end.end()
            else:
                tail += chunk[start:]
        if end is not None:
            if self._keep(event):
                out.append(event)
            return at
        if len(tail) > self._max_event:
            out.append(bytes(tail))
            self._skipping = bytes(tail[-2:])
            self.started = True
            tail.clear()
        return len(chunk)

    def _skip(self, chunk: bytes, at: int, out: list[bytes]) -> int:
        """Pass an event that is too large; return where the next begins."""
        seam = self._skipping
        rest = chunk[at:]
        end = _END.search(seam + rest)
        if end is None:
            out.append(rest)
            self._skipping = (seam + rest)[-2:]
            return len(chunk)
        self._skipping = b""
        stop = at + end.end() - len(seam)
        out.append(chunk[at:stop])
        return stop

    def _keep(self, event: bytes) -> bool:
        """Look at one whole event; False when the client must not see it."""
        if len(event) > self._max_event:
            self.started = True
            return True
        if self.started and not _notable(event):
            self._fresh.append(event)
            return True
        data = _data(event)
        if data is None:
            return True
        if data.strip() == b"[DONE]":
            self.done = self.started = True
            return True
        try:
            found = orjson.loads(data)
        except orjson.JSONDecodeError:
            if not self.started:
                raise MalformedAnswerError("the stream's first event is not JSON") from None
            return True
        return self._keep_object(event, found if isinstance(found, dict) else {})

    def _keep_object(self, event: bytes, found: dict[str, Any]) -> bool:
        error = found if found.get("object") == "error" else found.get("error")
        if error:
            self.error = without(error, self._secret)
            return False
        usage = usage_from(found.get("usage"))
        alone = found.get("choices") == []
        seen = not (alone and self._strip and isinstance(found.get("usage"), dict))
        if seen:
            self.started = True
            self._fresh.append(event)
        if usage is not None:
            self.told(usage)
            self._final = alone
        return seen

    def _count_delivered(self) -> None:
        for number, part in enumerate(self._delivered, self._counted):
            if number == self._covered:
                self._size_covered = self._count.size
            for event in _END.split(part):
                data = _data(event) if event else None
                if data is not None:
                    try:
                        self._count.add(orjson.loads(data))
                    except orjson.JSONDecodeError:
                        continue
        self._counted += len(self._delivered)
        self._delivered.clear()
        self._delivered_size = 0


def _skip_breaks(data: bytes, at: int) -> int:
    """Where the line breaks before an event end; they go to the client at once."""
    found = _BREAKS.match(data, at)
    return at if found is None else found.end()


def _notable(data: bytes) -> bool:
    """Whether an event in these bytes must be looked at; a cheap test that errs to True."""
    if b'"usage"' in data and _TOLD.search(data) is not None:
        return True
    return b"[DONE]" in data or b'"error"' in data


def _whole(event: bytes) -> bool:
    """Whether what stands at the end of a stream has come in full."""
    data = _data(event)
    if data is None:
        return False
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return data.strip() == b"[DONE]"
    return True


def _data(event: bytes) -> bytes | None:
    """The data of an event; None when it has none (a comment, a bare ``event:``)."""
    lines = []
    for line in _LINE.split(event.removeprefix(_MARK)):
        if line.startswith(b"data:"):
            value = line[5:]
            lines.append(value[1:] if value[:1] == b" " else value)
    return b"\n".join(lines) if lines else None
