"""What an answer consumed and what it costs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecoder
from typing import Any

import orjson

from paifang.modules.gateway.relay.record import Usage
from paifang.modules.gateway.relay.snapshot import Price
from paifang.modules.gateway.relay.usage import AnswerCount, estimate_prompt, usage_from

TOKENS_PER_PRICE = 1_000_000
"""Prices are per million model tokens."""

MAX_COST = 2**63 - 1
"""What a database's integer holds; an upstream's absurd numbers must not break the record."""

PARSE_WHOLE = 256 * 1024
"""A larger answer (embeddings, mostly) is not parsed when its usage is found without that."""

MAX_PLACES = 4
"""A large answer's usage is looked for at so many places from its end, and from its start."""

_KEY = b'"usage"'
_USAGE = re.compile(rb'"usage"\s*:\s*(?=\{)')
_ERROR = re.compile(rb'"error"(?!\s*:\s*null)')
_DECODER = JSONDecoder()


class MalformedAnswerError(ValueError):
    """An upstream's answer is not the JSON object it ought to be."""


@dataclass(slots=True)
class JsonAnswer:
    """What was found in an answer that is one JSON object."""

    data: dict[str, Any] | None
    """The object; None when it was so large that only its usage was looked for."""
    usage: Usage | None
    error: Any = None
    """The value of its field ``error``, if there is one."""


def read_answer(body: bytes, *, whole: bool = False) -> JsonAnswer:
    """Look into an answer; with ``whole`` all of it is wanted, however large it is.

    Raises :class:`MalformedAnswerError`.
    """
    if len(body) > PARSE_WHOLE and not whole and _ERROR.search(body) is None:
        usage = _find_usage(body)
        if usage is not None:
            return JsonAnswer(None, usage)
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedAnswerError("the answer is not JSON") from None
    if not isinstance(data, dict):
        raise MalformedAnswerError("the answer is not a JSON object")
    error = data if data.get("object") == "error" else data.get("error")
    return JsonAnswer(data, usage_from(data.get("usage")), error)


def _find_usage(body: bytes) -> Usage | None:
    """The usage in a large answer: nearly always the last such key, else the first.

    Quotes inside JSON strings are escaped, so text can never look like the key.
    """
    if not body.lstrip()[:1] == b"{" or body.rstrip()[-1:] != b"}":
        raise MalformedAnswerError("the answer is not a JSON object")
    for place in _places(body):
        match = _USAGE.match(body, place)
        if match is None:
            continue
        try:
            text = body[match.end() : match.end() + 16384].decode("utf-8", "ignore")
            numbers, _ = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            continue
        usage = usage_from(numbers)
        if usage is not None:
            return usage
    return None


def _places(body: bytes) -> Iterator[int]:
    """Where the key may stand: the last few places, last first, then the first few."""
    at = len(body)
    for _ in range(MAX_PLACES):
        at = body.rfind(_KEY, 0, at)
        if at < 0:
            return
        yield at
    at = -1
    for _ in range(MAX_PLACES):
        at = body.find(_KEY, at + 1)
        if at < 0:
            return
        yield at


def estimate_answer(request: dict[str, Any], answer: JsonAnswer) -> Usage:
    """Usage of an answer that came without numbers."""
    count = AnswerCount()
    count.add(answer.data)
    return count.usage(estimate_prompt(request))


def price_at(prices: Mapping[str, Sequence[Price]], model: str, when: float) -> Price | None:
    """The price of a model that held at ``when`` (unix seconds); None when it has none."""
    for price in prices.get(model, ()):
        if price.valid_from <= when:
            return price
    return None


def cost_of(usage: Usage, price: Price) -> int:
    """Nanos of one answered call. Rounded once, on the sum, half up."""
    millionths = (
        usage.input * price.input
        + usage.cached_input * price.cached_input
        + usage.cache_write * price.cache_write
        + usage.output * price.output
        + usage.reasoning * price.reasoning
    )
    cost = price.request + (millionths + TOKENS_PER_PRICE // 2) // TOKENS_PER_PRICE
    return min(cost, MAX_COST)


def estimate_cost(prompt: int, output: int, price: Price) -> int:
    """Nanos of a call with so many model tokens in and out, none of them cached."""
    millionths = prompt * price.input + output * price.output
    cost = price.request + (millionths + TOKENS_PER_PRICE // 2) // TOKENS_PER_PRICE
    return min(cost, MAX_COST)
