"""The OpenAI dialect: what goes to an upstream, what comes back, and what never does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from paifang.modules.gateway.relay.account import about_account, without
from paifang.modules.gateway.relay.errors import (
    RATE,
    SERVER,
    UPSTREAM,
    Refusal,
    retry_after,
)
from paifang.modules.gateway.relay.meter import MalformedAnswerError
from paifang.modules.gateway.relay.snapshot import Channel
from paifang.modules.gateway.relay.upstream.errors import UpstreamError

HeaderList = list[tuple[bytes, bytes]]

OTHER_CODE = "other"
"""Stands for an upstream's error code that is no plain word, or one too many."""

MAX_ERROR_BYTES = 64 * 1024
"""An error answer is read up to here; a longer one is replaced by ours."""

PASSED_HEADERS = frozenset({b"openai-processing-ms", b"openai-version"})
"""Headers of an upstream's answer that reach the client, beside the content type. Cookies, rate
limits of our account, and the connection's own headers do not."""

EVENT_STREAM = b"text/event-stream"
JSON = b"application/json"
_SHAPE = ("message", "type", "param", "code")
_WORD = re.compile(r"[a-z0-9_]{1,64}")
LONGEST_PAUSE = 3600.0
"""Seconds; an upstream that asks for more is believed this much."""
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path clients may POST to."""

    path: str
    """As the client sees it."""
    upstream_path: str
    """Behind the channel's base URL."""
    chunk: str = ""
    """``object`` of a stream's events; empty when the endpoint has no streams."""

    @property
    def streams(self) -> bool:
        """Whether ``stream: true`` means something here."""
        return bool(self.chunk)


ENDPOINTS = {
    endpoint.path: endpoint
    for endpoint in (
        Endpoint("/v1/chat/completions", "/chat/completions", "chat.completion.chunk"),
        Endpoint("/v1/completions", "/completions", "text_completion"),
        Endpoint("/v1/embeddings", "/embeddings"),
    )
}


def channel_headers(channel: Channel, credential: str, *, stream: bool) -> HeaderList:
    """What every request to this channel carries; nothing of the client's own headers.

    ``identity``: the answer is read on its way, so it must not be compressed.
    """
    headers: dict[bytes, bytes] = {
        b"content-type": JSON,
        b"accept": EVENT_STREAM if stream else JSON,
        b"accept-encoding": b"identity",
        b"user-agent": b"paifang",
    }
    if credential:
        carrier = channel.credential_header.lower().encode("ascii")
        scheme = b"Bearer " if carrier == b"authorization" else b""
        headers[carrier] = scheme + credential.encode("utf-8")
    for name, value in channel.headers.items():
        headers[name.lower().encode("ascii")] = value.encode("utf-8")
    return list(headers.items())


@dataclass(slots=True)
class AnswerHead:
    """What matters of the head of an upstream's answer."""

    kind: bytes = JSON
    """Its content type, if it can be passed on."""
    encoding: bytes = b""
    """What it is compressed with; empty when it is not."""
    passed: bytes = b""
    """The headers that may reach the client, as lines."""

    @property
    def block(self) -> bytes:
        """All that reaches the client."""
        return b"content-type: %b\r\ncache-control: no-store\r\n%b" % (self.kind, self.passed)


def read_answer_head(headers: Sequence[tuple[bytes, bytes]]) -> AnswerHead:
    """Look through the headers of an upstream's answer once."""
    head = AnswerHead()
    for name, value in headers:
        if name == b"content-type":
            if value and not _CONTROL.search(value):
                head.kind = value
        elif name == b"content-encoding":
            head.encoding = head.encoding or value.lower().replace(b"identity", b"")
        elif name in PASSED_HEADERS and not _CONTROL.search(value):
            head.passed += b"%b: %b\r\n" % (name, value)
    return head


def header(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> bytes:
    """The first header of that (lower-case) name, empty when there is none."""
    for name, value in headers:
        if name == wanted:
            return value
    return b""


def retry_seconds(headers: Sequence[tuple[bytes, bytes]], now: float) -> float | None:
    """How long an upstream asks to be left alone; None when it does not say.

    Reads ``Retry-After`` in both its forms (``now`` is unix seconds) and ``retry-after-ms``.
    """
    seconds = _number(header(headers, b"retry-after-ms")) / 1000
    value = header(headers, b"retry-after")
    if not seconds and value[:1].isdigit():
        seconds = _number(value)
    elif not seconds and value:
        try:
            when = parsedate_to_datetime(value.decode("latin-1"))
            seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(seconds, LONGEST_PAUSE) if seconds > 0 else None


def _number(text: bytes) -> float:
    """A positive number; 0 when it is none."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if 0 < number < float("inf") else 0.0


_FAILURES = {
    "connect": (502, "upstream_unreachable", "could not be reached"),
    "tls": (502, "upstream_unreachable", "could not be reached over TLS"),
    "timeout_connect": (504, "upstream_timeout", "could not be reached in time"),
    "timeout_first_byte": (504, "upstream_timeout", "did not begin to answer in time"),
    "timeout_idle": (504, "upstream_timeout", "stopped in the middle of its answer"),
    "reset": (502, "upstream_reset", "closed the connection before its answer was complete"),
    "protocol": (502, "upstream_protocol", "gave an answer that is not HTTP"),
    "too_large": (502, "upstream_too_large", "gave an answer that is too large"),
}


def refuse_failure(error: UpstreamError, model: str) -> Refusal:
    """What the client is told when an upstream gave no whole answer."""
    status, code, what = _FAILURES[error.kind]
    return upstream_refusal(status, code, f"The upstream of the model {model!r} {what}.")


def upstream_refusal(status: int, code: str, message: str, *, retry: bool = True) -> Refusal:
    """An error that is the upstream's fault; another one may do better."""
    return Refusal(status, code, message, kind=UPSTREAM, blame="upstream", retry=retry)


def refuse_answer(  # noqa: PLR0917 - what an answer is, and who asked when
    status: int,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
    model: str,
    now: float,
    secret: str = "",
) -> Refusal:
    """What the client is told when an upstream's answer is an error.

    The upstream's own words pass with its status, except where they are about our account with
    it: a client must not think that its own key or quota is at fault, nor read about ours. A 429
    is that too: it names the account, and its limits. Words with ``secret`` in them, our
    credential, never pass.
    """
    error = _error_in(body)
    status = about_account(error) or status
    error = without(error, secret)
    code = _code(error)
    if status in {401, 403}:
        return upstream_refusal(
            502,
            "upstream_auth_failed",
            f"The upstream of the model {model!r} did not accept this gateway's credentials. "
            "Your own API key is fine; tell the gateway's administrator.",
        )
    if status == 402:
        return upstream_refusal(
            502,
            "upstream_quota_exhausted",
            f"The gateway's account at the upstream of the model {model!r} is used up. Tell the "
            "gateway's administrator.",
        )
    if not 400 <= status <= 599:
        return upstream_refusal(
            502,
            "upstream_protocol",
            f"The upstream of the model {model!r} answered with the status {status}, which is no "
            "answer. Is its base URL right?",
        )
    seconds = retry_seconds(headers, now)
    wait = () if seconds is None else (retry_after(seconds),)
    if status == 429:
        when = f"in {wait[0][1].decode()} s" if wait else "in a moment"
        return Refusal(
            429,
            "upstream_rate_limited",
            f"The upstream of the model {model!r} limits this gateway's calls at the moment; no "
            f"limit of yours is reached. Try again {when}.",
            kind=RATE,
            headers=wait,
            blame="upstream",
            retry=True,
        )
    again = status >= 500 or status == 408
    return Refusal(
        status,
        code or "upstream_error",
        _message(error)
        or f"The upstream of the model {model!r} answered with the status {status}.",
        kind=SERVER if status >= 500 else UPSTREAM,
        headers=wait,
        blame="upstream" if again else "answer",
        retry=again,
        raw=_in_shape(error, body),
        foreign=bool(code),
        quoted=bool(_message(error)),
    )


def refuse_error_object(error: Any, model: str, now: float, secret: str = "") -> Refusal:
    """What the client is told when a successful answer holds nothing but an error."""
    stated = error.get("code") if isinstance(error, dict) else None
    if type(stated) is not int and isinstance(error, dict):
        stated = error.get("status")
    status = stated if type(stated) is int and 400 <= stated <= 599 else 502
    try:
        body = orjson.dumps({"error": error})
    except orjson.JSONEncodeError:  # nested deeper than can be written
        body = b""
    return refuse_answer(status, (), body, model, now, secret)


def _error_in(body: bytes) -> Any:
    """The ``error`` of an error answer: an object or a text; None when it has no such thing."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(data, list) and data:
        data = data[0]
    if not isinstance(data, dict):
        return None
    error = data if data.get("object") == "error" else data.get("error")
    return error if isinstance(error, dict | str) and error else None


def _in_shape(error: Any, body: bytes) -> bytes | None:
    """The upstream's error with all that OpenAI's has; None when there is no message in it.

    It passes as it is when nothing is missing and nothing of another kind. What stands beside
    it in the answer is left out: it may be about our account.
    """
    if not isinstance(error, dict) or not _message(error):
        return None
    whole = {name: _text(error.get(name)) for name in _SHAPE}
    whole["type"] = whole["type"] or UPSTREAM
    same = all(name in error and error[name] == value for name, value in whole.items())
    if same and orjson.loads(body).keys() == {"error"}:
        return body
    return orjson.dumps({"error": whole})


def _text(value: Any) -> str | None:
    """What OpenAI's shape has in a field: a text, or nothing."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _message(error: Any) -> str:
    """An error's text, empty when it has none."""
    found = error.get("message") if isinstance(error, dict) else error
    return found if isinstance(found, str) else ""


def _code(error: Any) -> str:
    """The upstream's code in lower case, so far as it is a plain word; empty without one."""
    stated = error.get("code") or error.get("type") if isinstance(error, dict) else None
    if not isinstance(stated, str | int):
        return ""
    code = str(stated)[:65].lower()
    return code if _WORD.fullmatch(code) else OTHER_CODE


def answer_as_stream(data: dict[str, Any], chunk: str, *, wants_usage: bool) -> bytes:
    """A whole answer as a stream of one event, for a client that asked for a stream.

    Raises :class:`MalformedAnswerError` when there is no making one of it.
    """
    given = data.get("choices")
    if not isinstance(given, list):
        raise MalformedAnswerError("the answer has no list of choices")
    head = {
        "id": data.get("id", ""),
        "object": chunk,
        "created": data.get("created") or int(datetime.now(UTC).timestamp()),
        "model": data.get("model", ""),
    }
    choices = []
    for choice in given:
        if not isinstance(choice, dict):
            continue
        piece = {name: value for name, value in choice.items() if name != "message"}
        message = choice.get("message")
        if isinstance(message, dict):
            calls = message.get("tool_calls")
            delta = dict(message)
            if isinstance(calls, list):
                delta["tool_calls"] = [
                    {"index": index, **call}
                    for index, call in enumerate(calls)
                    if isinstance(call, dict)
                ]
            piece["delta"] = delta
        choices.append(piece)
    events: list[dict[str, Any]] = [{**head, "choices": choices}]
    if wants_usage and data.get("usage"):
        events.append({**head, "choices": [], "usage": data["usage"]})
    try:
        lines = [b"data: " + orjson.dumps(event) + b"\n\n" for event in events]
    except orjson.JSONEncodeError:
        raise MalformedAnswerError("the answer is nested too deeply") from None
    return b"".join([*lines, b"data: [DONE]\n\n"])
