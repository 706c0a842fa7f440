"""The request body: only what routing needs is looked at."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from paifang.modules.gateway.relay.errors import Refusal

MAX_MODEL_LENGTH = 256

MAX_DEPTH = 250
"""Levels of nesting; JSON can be read deeper than it can be written again."""

DECIDING = frozenset(
    {
        "model",
        "stream",
        "stream_options",
        "n",
        "best_of",
        "max_tokens",
        "max_completion_tokens",
    }
)
"""The keys that decide what a call may do and what it costs. An upstream must read them as they
are read here, though it may take the first of two equal keys, or ignore their case."""

_USUAL = DECIDING | {
    "messages",
    "temperature",
    "top_p",
    "stop",
    "tools",
    "tool_choice",
    "response_format",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "seed",
    "user",
    "input",
    "prompt",
    "encoding_format",
    "dimensions",
    "reasoning_effort",
    "parallel_tool_calls",
}
"""Keys that need no second look: nearly every request has no others."""

_DECIDING_OPTIONS = frozenset({"include_usage"})

_KEY = re.compile(
    rb'"(?:model|stream(?:_options)?|n|best_of|max_(?:completion_)?tokens|include_usage)"'
)

_ESCAPED_LETTER = re.compile(rb"\\u00[5-7]")
"""A letter or an underscore, spelt so that a key cannot be found by its bytes."""


def too_large(limit: int) -> Refusal:
    """The answer to a body over the limit."""
    # The connection stays open: closed with bytes unread, the client might never see why.
    return Refusal(
        413,
        "request_too_large",
        f"The request body is over {limit} bytes, the most this gateway takes. Send less.",
    )


@dataclass(slots=True)
class Request:
    """A client's request: its bytes, and the few fields that decide where it goes."""

    raw: bytes
    data: dict[str, Any]
    model: str
    stream: bool
    wants_usage: bool
    """The client asked for usage in its stream itself."""

    def body_for(self, model: str, *, stream_options: bool = True) -> bytes:
        """The bytes for an upstream that calls the model ``model``.

        The client's own bytes where nothing must change and nothing can be read in two ways;
        else the object is written anew, with the upstream's model name and, in a stream, with
        ``include_usage`` asked for; without ``stream_options`` where the upstream refuses them.
        """
        drop = not stream_options and "stream_options" in self.data
        ask = stream_options and self.stream and not self.wants_usage
        if not ask and not drop and model == self.model and self._unequivocal():
            return self.raw
        data = dict(self.data)
        data["model"] = model
        if drop:
            del data["stream_options"]
        if ask:
            data["stream_options"] = {**(data.get("stream_options") or {}), "include_usage": True}
        try:
            return orjson.dumps(data)
        except orjson.JSONEncodeError:
            raise _too_deep() from None

    def _unequivocal(self) -> bool:
        """Whether the bytes have each deciding key once, for certain; False when in doubt."""
        raw, data = self.raw, self.data
        try:
            if orjson.dumps(data) == raw:  # compact, as most clients write; far less than a search
                return True
        except orjson.JSONEncodeError:
            return False
        if b"\\" in raw and _ESCAPED_LETTER.search(raw) is not None:
            return False
        # Every key is there at least once: so many are found only if none is there again.
        return len(_KEY.findall(raw)) == len(DECIDING & data.keys()) + self.wants_usage


def parse_request(raw: bytes, *, streams: bool) -> Request:
    """Read what routing needs. Raises :class:`Refusal` (400), naming the field.

    ``streams`` is False for endpoints that have no streams; ``stream`` is then left alone.
    """
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reason = "it is empty" if not raw.strip() else str(error)
        raise Refusal(400, "invalid_json", f"The request body is not JSON: {reason}.") from None
    if not isinstance(data, dict):
        raise Refusal(400, "invalid_json", "The request body must be a JSON object.")
    if not data.keys() <= _USUAL:
        _check_keys(data, DECIDING)
    if "tools" in data:
        _check_depth(data["tools"])
    model = data.get("model")
    if not isinstance(model, str) or not model:
        raise _invalid("model", "must be the name of a model: a string that is not empty")
    if len(model) > MAX_MODEL_LENGTH:
        raise _invalid("model", f"must have at most {MAX_MODEL_LENGTH} characters")
    stream = data.get("stream") if streams else None
    if stream is not None and not isinstance(stream, bool):
        raise _invalid("stream", "must be true or false")
    wants_usage = False
    if stream:
        options = data.get("stream_options")
        if options is not None and not isinstance(options, dict):
            raise _invalid("stream_options", "must be an object")
        _check_keys(options or (), _DECIDING_OPTIONS)
        wants_usage = options is not None and options.get("include_usage") is True
    return Request(raw, data, model, bool(stream), wants_usage)


def _check_keys(keys: Iterable[str], known: frozenset[str]) -> None:
    """Refuse what an upstream that ignores the case of keys would take for one of ``known``."""
    for key in keys:
        if key not in known and key.casefold() in known:
            raise _invalid(key[:64], f"must be spelt {key.casefold()!r}")


def _check_depth(value: Any) -> None:
    """Refuse what cannot be written again, to count it or to send it on."""
    try:
        orjson.dumps(value)  # it writes 254 levels, though it reads 1,024
    except orjson.JSONEncodeError:
        raise _too_deep() from None


def _too_deep() -> Refusal:
    return Refusal(
        400, "invalid_json", f"The request body is nested too deeply: over {MAX_DEPTH} levels."
    )


def _invalid(param: str, rule: str) -> Refusal:
    return Refusal(400, "invalid_value", f"'{param}' {rule}.", param=param)
