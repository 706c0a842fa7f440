"""Usage in disjoint buckets: from a provider's numbers, or, without them, estimated.

Providers count differently. OpenAI's ``prompt_tokens`` include the cached ones and its
``completion_tokens`` include the reasoning; here every model token is in exactly one bucket, so
that a price can be put on each without counting any twice.

**Estimates** are for answers that come without numbers and for clients that leave: about four
characters a token for most writing, one a token for Chinese, Japanese and Korean. They are
marked, and they are rough: within a third for prose.
"""

import re
from typing import Any

import orjson

from paifang.modules.gateway.relay.record import Usage

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
"""What a chat template adds around each message."""
TOKENS_PER_PART = 256
"""Stands for an image, a sound or a file in a prompt: providers differ too much to do better."""
_NOT_PLAIN = frozenset({"prompt", "input", "tools"})
"""What a request of messages alone does not have."""
MAX_COUNT = 2**40
"""A larger number is nonsense, and would not fit the sums."""

_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff00-\uffef"
    "\U00020000-\U0003ffff]+"
)


def usage_from(numbers: Any) -> Usage | None:
    """Read a provider's ``usage`` object; None when there is nothing to read in it.

    Knows OpenAI's fields, DeepSeek's ``prompt_cache_hit_tokens``, and that some providers leave
    reasoning out of ``completion_tokens`` and count it in ``total_tokens`` alone. Whatever is
    negative, missing or no number counts as zero; no bucket ever exceeds its whole.
    """
    if not isinstance(numbers, dict):
        return None
    get = numbers.get
    prompt = get("prompt_tokens")
    completion = get("completion_tokens")
    total = get("total_tokens")
    # Nearly always they are small integers: then no call is needed to see that.
    if (
        type(prompt) is not int
        or type(completion) is not int
        or type(total) is not int
        or not 0 < prompt <= MAX_COUNT
        or not 0 <= completion <= MAX_COUNT
        or not 0 <= total <= MAX_COUNT
    ):
        prompt, completion, total = _count(prompt), _count(completion), _count(total)
        if not prompt and not completion:
            if not total:
                return None
            prompt = total
    details = get("prompt_tokens_details")
    cached = reasoning = 0
    told = None
    if isinstance(details, dict):
        cached = _least(details.get("cached_tokens"), prompt)
        told = details.get("cache_write_tokens")
    if not cached:
        cached = _least(get("prompt_cache_hit_tokens"), prompt)
    written = _least(told, prompt - cached)
    details = get("completion_tokens_details")
    if isinstance(details, dict):
        reasoning = _least(details.get("reasoning_tokens"), MAX_COUNT)
    left_out = total - prompt - completion
    if left_out > 0 and reasoning in {0, left_out}:
        return Usage(prompt - cached - written, cached, written, completion, left_out)
    reasoning = min(reasoning, completion)
    return Usage(prompt - cached - written, cached, written, completion - reasoning, reasoning)


def _least(value: Any, most: int) -> int:
    return min(_count(value), most) if value else 0


def _count(value: Any) -> int:
    if type(value) is float and 0 <= value <= MAX_COUNT:
        value = int(value)
    if type(value) is not int or value <= 0:
        return 0
    return min(value, MAX_COUNT)


class TextCount:
    """Counts characters of text that comes in pieces; the pieces' borders make no difference."""

    __slots__ = ("dense", "sparse")

    def __init__(self) -> None:
        self.dense = 0
        """Characters that are about a token each."""
        self.sparse = 0
        """Characters of which about four make a token."""

    def add(self, text: Any) -> None:
        """Count a piece; what is no string counts nothing."""
        if not isinstance(text, str):
            return
        dense = 0 if text.isascii() else sum(map(len, _CJK.findall(text)))
        self.dense += dense
        self.sparse += len(text) - dense

    @property
    def tokens(self) -> int:
        """The estimate, rounded up."""
        return self.dense - (-self.sparse // CHARACTERS_PER_TOKEN)


def estimate_prompt(data: dict[str, Any]) -> int:
    """Model tokens of a request: its messages, prompt or input, and its tools."""
    plain = _estimate_plain(data)
    if plain is not None:
        return plain
    count = TextCount()
    extra = 0
    messages = data.get("messages")
    if isinstance(messages, list):
        for message in messages:
            if isinstance(message, dict):
                extra += TOKENS_PER_MESSAGE + _add_content(count, message.get("content"))
                _add_calls(count, message.get("tool_calls"))
    for name in ("prompt", "input"):
        extra += _add_content(count, data.get(name))
    tools = data.get("tools")
    if isinstance(tools, list):
        count.add(orjson.dumps(tools).decode("utf-8"))
    return count.tokens + extra


def _estimate_plain(data: dict[str, Any]) -> int | None:
    """The same for what most requests are: messages of plain ASCII text. None for all others."""
    messages = data.get("messages")
    if type(messages) is not list or not _NOT_PLAIN.isdisjoint(data):
        return None
    size = 0
    for message in messages:
        if type(message) is not dict or "tool_calls" in message:
            return None
        text = message.get("content")
        if type(text) is not str or not text.isascii():
            return None
        size += len(text)
    return TOKENS_PER_MESSAGE * len(messages) - (-size // CHARACTERS_PER_TOKEN)


def _add_content(count: TextCount, content: Any) -> int:
    """Count text; return the tokens of what is no text (ids of tokens, parts that are media)."""
    if isinstance(content, str):
        count.add(content)
        return 0
    if not isinstance(content, list):
        return 0
    extra = 0
    for part in content:
        if isinstance(part, str):
            count.add(part)
        elif isinstance(part, int):
            extra += 1
        elif isinstance(part, list):
            extra += len(part)
        elif isinstance(part, dict):
            text = part.get("text")
            if isinstance(text, str):
                count.add(text)
            else:
                extra += TOKENS_PER_PART
    return extra


def _add_calls(count: TextCount, calls: Any) -> None:
    if not isinstance(calls, list):
        return
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            count.add(function.get("name"))
            count.add(function.get("arguments"))


class AnswerCount:
    """Counts what a model wrote, from whole answers or from the pieces of a stream."""

    __slots__ = ("answer", "finished", "thought")

    def __init__(self) -> None:
        self.answer = TextCount()
        self.thought = TextCount()
        self.finished = False
        """A ``finish_reason`` was seen."""

    def add(self, data: Any) -> None:
        """Count the choices of an answer or of a stream's piece."""
        choices = data.get("choices") if isinstance(data, dict) else None
        if not isinstance(choices, list):
            return
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            if choice.get("finish_reason") is not None:
                self.finished = True
            self.answer.add(choice.get("text"))
            part = choice.get("delta") or choice.get("message")
            if isinstance(part, dict):
                self.answer.add(part.get("content"))
                self.answer.add(part.get("refusal"))
                _add_calls(self.answer, part.get("tool_calls"))
                thought = part.get("reasoning_content")
                self.thought.add(part.get("reasoning") if thought is None else thought)

    @property
    def size(self) -> int:
        """Characters counted so far."""
        answer, thought = self.answer, self.thought
        return answer.dense + answer.sparse + thought.dense + thought.sparse

    def usage(self, prompt: int) -> Usage:
        """An estimate for a prompt of so many tokens and what was counted."""
        return Usage(
            input=prompt,
            output=self.answer.tokens,
            reasoning=self.thought.tokens,
            estimated=True,
        )
