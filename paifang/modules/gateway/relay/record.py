"""What one call did and consumed: the record that goes to the journal and on to the logs."""

import os
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import orjson

Outcome = Literal["completed", "refused", "upstream_error", "client_gone", "interrupted"]
"""How a call ended.

``completed``: the client got the whole answer, whatever its status. ``refused``: we said no
(limits, model, address) and no upstream was asked. ``upstream_error``: no upstream gave an
answer. ``client_gone``: the client left first. ``interrupted``: the answer broke off after its
first byte, by the upstream's fault or by our shutdown.
"""


MAX_IP = 45
"""Characters kept of a client's address: as long as any can be. A proxy may pass on what it is
told, and the record must fit the journal and the logs whatever that is."""

MAX_USER_AGENT = 200
"""Characters kept of a client's name for itself."""

MAX_MODEL = 128
"""Characters kept of a model's name: none that exists is longer."""

MAX_ERROR = 64
"""Characters kept of an error code."""

_RANDOM = ~((0xF << 76) | (0x3 << 62))
_VERSION = (7 << 76) | (2 << 62)
_IDS = 256
"""Ids for which randomness is fetched at once."""


def new_request_id(now: float) -> str:
    """The 32 hex digits of a new UUIDv7, as :func:`paifang.core.ids.uuid7` makes it.

    Without the object in between, which costs as much again. ``now`` is unix seconds.
    """
    if not _randomness:
        _get_randomness()
    return f"{(int(now * 1000) << 80) | _randomness.pop():032x}"


def _get_randomness() -> None:
    """For many ids at once: to ask the kernel lets go of the interpreter, and a call waits."""
    data = os.urandom(10 * _IDS)
    _randomness.extend(
        int.from_bytes(data[at : at + 10], "big") & _RANDOM | _VERSION
        for at in range(0, len(data), 10)
    )


_randomness: list[int] = []
if hasattr(os, "register_at_fork"):
    # Else parent and child would go on with the same ids.
    os.register_at_fork(after_in_child=_randomness.clear)


@dataclass(slots=True)
class Usage:
    """Model tokens of one call in disjoint buckets: every token is counted in exactly one."""

    input: int = 0
    """Prompt tokens read afresh."""
    cached_input: int = 0
    """Prompt tokens the provider served from its cache."""
    cache_write: int = 0
    """Prompt tokens the provider wrote to its cache."""
    output: int = 0
    """Generated tokens without the reasoning."""
    reasoning: int = 0
    """Generated tokens the model used to think."""
    estimated: bool = False
    """True when the provider gave no numbers and these are ours."""

    @property
    def total(self) -> int:
        """All tokens, in and out."""
        return self.input + self.cached_input + self.cache_write + self.output + self.reasoning


@dataclass
class Record:
    """One finished call. Money is in nanos, times are unix seconds, durations milliseconds.

    Without slots: orjson writes an object's own dictionary three times as fast.
    """

    request_id: str
    """32 hex digits of a UUIDv7; the same as the client's ``x-request-id`` header; unique."""
    started_at: float
    group_id: str
    model: str
    endpoint: str
    """The path, e.g. ``/v1/chat/completions``."""
    status: int = 0
    """The HTTP status the client got; 499 when it left before there was one."""
    outcome: Outcome = "completed"
    error: str = ""
    """Machine code of the error, empty when there was none."""
    duration_ms: float = 0.0
    first_byte_ms: float | None = None
    stream: bool = False
    token_id: str | None = None
    """None when an internal credential was used."""
    token_name: str = ""
    person: str | None = None
    """Id of the signed-in person an internal credential stands for."""
    purpose: str = "api"
    """``api`` for a token; else what the internal credential was made for."""
    channel_id: str | None = None
    channel_name: str = ""
    upstream_model: str = ""
    attempts: int = 0
    """Upstreams asked."""
    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
    cost: int | None = None
    """Nanos; None means that no price was known, which is not zero."""
    price_id: str | None = None
    ip: str = ""
    user_agent: str = ""

    @property
    def tokens(self) -> int:
        """All model tokens, in and out."""
        return self.input + self.cached_input + self.cache_write + self.output + self.reasoning

    def to_bytes(self) -> bytes:
        """The record as JSON, one object without line breaks."""
        return orjson.dumps(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a record back; unknown keys of a newer version are ignored.

        Raises ``ValueError`` when the bytes are no record.
        """
        values: Any = orjson.loads(data)
        if not isinstance(values, dict):
            raise ValueError("a journal record must be a JSON object")
        try:
            return cls(**values)
        except TypeError:
            pass  # nearly always they fit: to look first would cost each record more
        try:
            return cls(**{k: v for k, v in values.items() if k in _FIELDS})
        except TypeError as error:
            raise ValueError(f"a journal record lacks fields: {error}") from error


_FIELDS = frozenset(field.name for field in fields(Record))
