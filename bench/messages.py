"""What every contestant is asked and must answer: the same bytes for all of them."""

import json
import re

MODEL = "bench-model"
EVENTS = 50
"""Content events of one stream."""

_PROMPT = (
    "You are a careful assistant. Summarise the following note in two sentences and keep every "
    "number as it is: the second pillar was raised in 1893, the third in 1901, and the roof was "
    "replaced after the storm of 1934, when 214 tiles were lost and 198 of them found again."
)


def _request(*, stream: bool = False, user: str = "") -> bytes:
    body: dict[str, object] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": _PROMPT}],
        "temperature": 0.7,
        "max_tokens": 256,
    }
    if stream:
        body["stream"] = True
    if user:
        body["user"] = user
    return json.dumps(body, separators=(",", ":")).encode()


JSON_REQUEST = _request()
STREAM_REQUEST = _request(stream=True)
PAUSE = 0.3
"""Seconds between the first event of the paused stream and its second."""
PAUSED_REQUEST = _request(stream=True, user="bench-pause")
PACE = 0.01
"""Seconds between two events of a paced stream."""
PACED_REQUEST = _request(stream=True, user="bench-paced")
ENDLESS_REQUEST = _request(stream=True, user="bench-endless")

USAGE = {"prompt_tokens": 71, "completion_tokens": 50, "total_tokens": 121}

JSON_ANSWER = json.dumps(
    {
        "id": "chatcmpl-b8f3a1c2d4e5f60718293a4b5c6d7e8f",
        "object": "chat.completion",
        "created": 1790000000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "The second pillar dates from 1893 and the third from 1901; the "
                    "roof was replaced after the storm of 1934. Of 214 tiles that were lost, 198 "
                    "were found again, so that only 16 had to be made anew.",
                },
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        "system_fingerprint": "fp_0123456789",
    },
    separators=(",", ":"),
).encode()


def _event(choices: list[dict[str, object]], **more: object) -> bytes:
    event = {
        "id": "chatcmpl-b8f3a1c2d4e5f60718293a4b5c6d7e8f",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": MODEL,
        "choices": choices,
        **more,
    }
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def _words(text: str) -> bytes:
    return _event([{"index": 0, "delta": {"content": text}, "finish_reason": None}])


_STOP = _event([{"index": 0, "delta": {}, "finish_reason": "stop"}])

STREAM_EVENTS = [*(_words(f" word{n:02d}") for n in range(EVENTS)), _STOP]
USAGE_EVENT = _event([], usage=USAGE)
"""Only for those who ask for it, as OpenAI does."""
DONE_EVENT = b"data: [DONE]\n\n"

_NEVER = b"0" * 15
PACED_EVENT = _words(f" at{_NEVER.decode()}")
"""Of a paced stream; :func:`stamped` says when it is sent."""
PACED_EVENTS = [*[PACED_EVENT] * EVENTS, _STOP]
STAMP = re.compile(rb" at([0-9]{15})")
"""The moment in an event of a paced stream: microseconds of this machine's steady clock."""


def stamped(event: bytes, microseconds: int) -> bytes:
    """A paced event, or a piece of the wire with one in it, sent at this moment."""
    return event.replace(_NEVER, b"%015d" % microseconds, 1)


def unstamped(stream: bytes) -> bytes:
    """The same with every moment taken out, for a comparison."""
    return STAMP.sub(b" at" + _NEVER, stream)
