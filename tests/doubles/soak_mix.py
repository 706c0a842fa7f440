"""What the soak's load is made of: channels, models, keys, and kinds of calls with their shares."""

from dataclasses import dataclass, field
from typing import Any

from doubles.load_client import CHAT
from doubles.openai_answers import Behaviour, word
from paifang.modules.gateway.relay.usage import TextCount

PROMPT = "one two three"
LARGE_PROMPT = "one two three " * 75_000
"""A megabyte."""
INPUT_PRICE, OUTPUT_PRICE = 1_000, 2_000
"""Nanos per model token, of every model that has a price."""
UNPRICED = "free"
SHORT, WORDS, WIDE, LONG, CUT = 5, 12, 1_500, 80_000, 4
"""Pieces of the answers: one word and one model token each."""
QUOTA_STEP = 500_000
"""Nanos that the spender gets at a time: some forty calls."""

_OK = f"ok:pieces={SHORT}"
_DOWN = "down:status=500"

CHANNELS: dict[str, dict[str, Any]] = {
    "limited": {"priority": 20, "models": {"busy": "busy:status=429,retry_after=1"}},
    "first": {
        "priority": 10,
        "models": {
            "short": _OK,
            "words": f"words:pieces={WORDS},gap=0.01",
            "late": f"late:delay=0.3,pieces={SHORT}",
            "wide": f"wide:pieces={WIDE}",
            "long": f"long:pieces={LONG}",
            "cut": f"cut:pieces=9,gap=0.005,cut_after={CUT}",
            "head": "head:cut_after=0",
            "half": "half:cut_after=0",
            "fail": "fail:status=500",
            "down": _DOWN,
            "vectors": "vectors",
            UNPRICED: _OK,
        },
    },
    "second": {
        "priority": 0,
        "models": dict.fromkeys(("busy", "head", "half", "fail"), _OK) | {"down": _DOWN},
    },
}
"""Channels by name, with the upstream's names of their models; those say what the double does."""

MODELS = sorted({model for channel in CHANNELS.values() for model in channel["models"]})

GROUPS: dict[str, dict[str, Any]] = {
    "readers": {},
    # So high that nobody reaches them: every call of the group is counted, none refused.
    "writers": {"rpm": 1_000_000, "tpm": 1_000_000_000, "concurrency": 1000},
}

TOKENS: dict[str, dict[str, Any]] = {
    "reader-1": {"group_id": "readers"},
    "reader-2": {"group_id": "readers", "models": MODELS},
    "writer-1": {"group_id": "writers"},
    "writer-2": {"group_id": "writers", "tpm": 1_000_000_000},
    "limited": {"group_id": "readers", "rpm": 120},
    "single": {"group_id": "writers", "concurrency": 1},
    "spender": {"group_id": "readers", "quota": "0.0005"},
}
PLAIN = ("reader-1", "reader-2", "writer-1", "writer-2")


@dataclass(frozen=True)
class Kind:
    """A kind of call."""

    rate: float
    """Of them, a second."""
    model: str = "short"
    pieces: int = SHORT
    """Of its whole answer."""
    stream: bool = False
    usage: bool = False
    """The stream's usage is asked for."""
    token: str = ""
    """Name of the token; by default one of the plain ones."""
    path: str = CHAT
    fresh: bool = False
    """On a connection of its own."""
    slow: bool = False
    """Reads slowly, on a connection with a small buffer."""
    large: bool = False
    leaves: str = ""
    """Hangs up: ``in time``, ``at an event``, ``in the answer`` or ``in the request``."""
    endings: frozenset[str] = frozenset({"200"})
    """How such calls end, each often: a status with its error's code, ``left``, or the code of
    an error event."""


def _ends(*endings: str) -> frozenset[str]:
    return frozenset(endings)


KINDS = {
    "json": Kind(64),
    "fresh": Kind(12, fresh=True),
    "stream": Kind(8, "words", WORDS, stream=True, usage=True),
    "plain-stream": Kind(8, "words", WORDS, stream=True),
    "embedding": Kind(2, "vectors", 0, path="/v1/embeddings"),
    "unpriced": Kind(2, UNPRICED),
    "large": Kind(1.5, large=True),
    "slow-json": Kind(0.5, "long", LONG, slow=True),
    "slow-stream": Kind(0.5, "wide", WIDE, stream=True, usage=True, slow=True),
    "leave-stream": Kind(
        5, "words", WORDS, stream=True, usage=True, leaves="at an event", endings=_ends("left")
    ),
    "leave-plain": Kind(
        3, "words", WORDS, stream=True, leaves="in time", endings=_ends("left", "200")
    ),
    "leave-json": Kind(4, "late", leaves="in time", endings=_ends("left", "200")),
    "leave-body": Kind(1.5, fresh=True, large=True, leaves="in the request", endings=_ends("left")),
    "leave-slow": Kind(1, "long", LONG, slow=True, leaves="in the answer", endings=_ends("left")),
    "wrong-key": Kind(6, token="-", endings=_ends("401 invalid_api_key")),
    "unknown-model": Kind(6, "nobody-knows", endings=_ends("404 model_not_found")),
    "limited": Kind(8, token="limited", endings=_ends("200", "429 rate_limit_exceeded")),
    "single": Kind(5, "late", token="single", endings=_ends("200", "429 rate_limit_exceeded")),
    "spender": Kind(6, token="spender", endings=_ends("200", "429 insufficient_quota")),
    "busy": Kind(4, "busy"),
    "fail": Kind(4, "fail"),
    "half": Kind(2, "half"),
    "head": Kind(2, "head", stream=True, usage=True),
    "cut": Kind(3, "cut", CUT, stream=True, usage=True, endings=_ends("upstream_reset")),
    "down": Kind(2, "down", endings=_ends("500 double")),
    # The administrator's own, and the test's after the load.
    "churn": Kind(0, endings=_ends("200", "401 invalid_api_key")),
    "last": Kind(0),
}

RATE = sum(kind.rate for kind in KINDS.values())
"""Calls a second: about a twentieth of what one process can take, so that the load is the same
on a slow machine."""


@dataclass(slots=True)
class Seen:
    """What a client saw of one call."""

    name: str
    kind: str
    token: str
    """Its name; empty for none of ours."""
    agent: str = ""
    """What it gave as its user agent: the name of its connection, so that the gateway gets the
    same head again and again, or, of a call that leaves, its own: it may never hear its id."""
    ending: str = ""
    """One of the kind's; or anything else, which is wrong."""
    status: int = 0
    request_id: str = ""
    input: int = 0
    """Model tokens it was told of, or, of a stream without usage, those of what it got."""
    output: int = 0
    text_tokens: int = 0
    """What the text it got costs when nobody says, by the relay's own estimate."""
    wrong: list[str] = field(default_factory=list)
    """What it should not have seen."""


def text(pieces: int) -> str:
    """The first so many pieces of the double's answer."""
    how = Behaviour()
    return "".join(word(how, index) for index in range(pieces))


def text_tokens(text: str) -> int:
    """What a text costs when nobody says: the relay's own estimate."""
    count = TextCount()
    count.add(text)
    return count.tokens
