"""What the double answers: behaviours, and OpenAI's objects made to them."""

import asyncio
import dataclasses
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Behaviour:
    """How one call is answered."""

    delay: float = 0.0
    """Seconds before the head of the answer."""
    gap: float = 0.0
    """Seconds before each piece of a stream but the first."""
    pieces: int = 3
    """Pieces of content; each is one word and counts as one model token."""
    word: str = "word"
    status: int = 200
    retry_after: str = ""
    error_code: str = ""
    cut_after: int = -1
    """Pieces after which the connection is dropped; 0 is after the head alone."""
    usage: str = "yes"
    """``yes``, ``no``, ``last`` (with the last piece of content) or ``each`` (with each)."""
    cached: int = 0
    reasoning: int = 0
    malformed: bool = False
    as_json: bool = False
    """A stream is answered with plain JSON."""
    error_body: bool = False
    """The status is 200 and the body is an error; in a stream, its first event is."""
    error_after: int = -1
    """Pieces after which a stream has an error event."""
    done: bool = True
    """A stream ends with ``[DONE]``."""
    finish: bool = True
    """A stream tells its reason to finish."""
    comments: int = 0
    """Comment lines before the first event of a stream."""
    chunk_bytes: int = 0
    """Stream bytes are sent in pieces of this size."""
    linger: float = 0.0
    """Seconds between ``[DONE]`` and the end of the body."""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_model(cls, model: str) -> "Behaviour":
        """Read the options in a model's name."""
        _, _, options = model.partition(":")
        values: dict[str, Any] = {}
        kinds = {f.name: type(f.default) for f in dataclasses.fields(cls)}
        for option in filter(None, options.split(",")):
            name, _, value = option.partition("=")
            kind = kinds[name]
            values[name] = value not in {"", "0", "false"} if kind is bool else kind(value)
        return cls(**values)


@dataclass
class Seen:
    """A request the double got, and what became of it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    data: Any
    sent: int = 0
    """Pieces of content sent."""
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    """The caller left before the answer was complete."""
    finished: asyncio.Event = field(default_factory=asyncio.Event)


def prompt_tokens(seen: Seen) -> int:
    data = seen.data
    texts = [m.get("content") or "" for m in data.get("messages", [])]
    texts += [str(data.get("prompt", "")), str(data.get("input", ""))]
    return sum(len(str(text).split()) for text in texts)


def usage(seen: Seen, how: Behaviour, pieces: int) -> dict[str, Any]:
    prompt = prompt_tokens(seen)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": pieces,
        "total_tokens": prompt + pieces,
        "prompt_tokens_details": {"cached_tokens": how.cached},
        "completion_tokens_details": {"reasoning_tokens": how.reasoning},
    }


def word(how: Behaviour, index: int) -> str:
    return f"{how.word}{index} "


def asked(seen: Seen) -> bool:
    return bool((seen.data.get("stream_options") or {}).get("include_usage", False))


def piece(seen: Seen, how: Behaviour, text: str, finish: str | None) -> dict[str, Any]:
    chat = seen.path.endswith("/chat/completions")
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
    if chat:
        choice["delta"] = {"role": "assistant", "content": text} if finish is None else {}
    else:
        choice["text"] = text
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": 1_700_000_000,
        "model": seen.data["model"],
        "choices": [choice],
    }


def whole(seen: Seen, how: Behaviour) -> dict[str, Any]:
    if seen.path.endswith("/embeddings"):
        texts = seen.data["input"]
        count = len(texts) if isinstance(texts, list) else 1
        vectors = [
            {"object": "embedding", "index": i, "embedding": [0.25, -0.5]} for i in range(count)
        ]
        tokens = {"prompt_tokens": prompt_tokens(seen), "total_tokens": prompt_tokens(seen)}
        answer = {"object": "list", "model": seen.data["model"], "data": vectors, "usage": tokens}
    else:
        chat = seen.path.endswith("/chat/completions")
        text = "".join(word(how, index) for index in range(how.pieces))
        answer = piece(seen, how, text, "stop")
        answer["object"] = "chat.completion" if chat else "text_completion"
        if chat:
            del answer["choices"][0]["delta"]
            answer["choices"][0]["message"] = {"role": "assistant", "content": text}
        answer["usage"] = usage(seen, how, how.pieces)
    if how.usage == "no":
        del answer["usage"]
    return answer
