"""What the relay knows of the world: plain immutable records, built elsewhere, swapped as a whole.

The relay never asks the database. A loader outside this package builds a :class:`Snapshot`
from the tables and hands it over with :meth:`~paifang.modules.gateway.relay.app.Relay.use`;
one attribute assignment makes it the truth for every call that starts afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network

NANOS_PER_UNIT = 1_000_000_000
"""Money is metered in nanos: 1e-9 of the one metering currency."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of a token or a group; ``None`` means no ceiling."""

    rpm: int | None = None
    """Requests per minute."""
    tpm: int | None = None
    """Model tokens per minute, in and out."""
    concurrency: int | None = None
    """Calls in flight at the same time."""


@dataclass(frozen=True, slots=True)
class Group:
    """A tenant of the gateway: a person or a team."""

    id: str
    enabled: bool = True
    limits: Limits = Limits()
    unpriced: str = "allow"
    """What happens to a model without a price: ``allow`` (flagged in the log) or ``block``."""
    models: frozenset[str] | None = None
    """Models that may be called for it without a token; ``None`` means all. Its tokens' own lists
    are within it already."""


@dataclass(frozen=True, slots=True)
class Token:
    """An API key of a group. The key itself is not here: the snapshot finds it by its SHA-256."""

    id: str
    name: str
    group: Group
    status: str = "enabled"
    """``enabled``, ``disabled`` or ``revoked``."""
    expires_at: float | None = None
    """Unix seconds."""
    models: frozenset[str] | None = None
    """Models it may call; ``None`` means all."""
    networks: tuple[Network, ...] = ()
    """Addresses it may be used from; empty means any."""
    limits: Limits = Limits()
    quota: int | None = None
    """Nanos it may spend in its life; ``None`` means no ceiling."""
    used: int = 0
    """Nanos already spent when the snapshot was built."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds the relay waits on an upstream before it gives up."""

    connect: float = 5.0
    first_byte: float = 120.0
    idle: float = 60.0
    """Longest silence inside a stream or a body."""


@dataclass(frozen=True, slots=True)
class Channel:
    """An upstream: a provider at a base URL with its credentials."""

    id: str
    name: str
    provider: str
    base_url: str
    """Everything before ``/chat/completions``, e.g. ``https://api.example.com/v1``."""
    credential: str = field(default="", repr=False)
    """Decrypted. Empty means none is sent."""
    credential_header: str = "authorization"
    """Carries the credential: ``authorization`` as a bearer, any other header by itself."""
    model_mapping: Mapping[str, str] = field(default_factory=dict)
    """Our model name to the upstream's; a model that is not here keeps its name."""
    priority: int = 0
    """Higher is tried first."""
    weight: int = 1
    """Share among channels of one priority."""
    timeouts: Timeouts = Timeouts()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Extra request headers."""
    stream_options: bool = True
    """Whether its streams may carry ``stream_options``; some upstreams refuse them, and tell
    their usage unasked."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs from a moment on. Buckets are nanos per million model tokens."""

    id: str
    valid_from: float
    """Unix seconds."""
    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    request: int = 0
    """Nanos per request."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a call needs to be decided and routed."""

    version: int = 0
    tokens: Mapping[bytes, Token] = field(default_factory=dict)
    """By the SHA-256 digest of the key."""
    groups: Mapping[str, Group] = field(default_factory=dict)
    """By id: for internal credentials, which name a group."""
    channels: Mapping[str, tuple[Channel, ...]] = field(default_factory=dict)
    """By model name, enabled channels only, highest priority first."""
    prices: Mapping[str, tuple[Price, ...]] = field(default_factory=dict)
    """By model name, newest ``valid_from`` first; prices of the future are included."""
