"""What is known of a provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Endpoint = Literal["chat", "completions", "embeddings"]
StreamUsage = Literal["asked", "always", "refused"]

BEARER = "authorization"
"""The header that carries a credential as ``Bearer``; in any other it stands by itself."""

CHAT: tuple[Endpoint, ...] = ("chat",)
CHAT_EMBEDDINGS: tuple[Endpoint, ...] = ("chat", "embeddings")
ALL: tuple[Endpoint, ...] = ("chat", "completions", "embeddings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A kind of upstream that speaks OpenAI's API, and how it wants to be spoken to."""

    id: str
    label: str
    """Its name for people."""
    base_url: str
    """Taken when a channel is made without one; empty when one must be given. What stands in
    braces is for the owner to fill in: ``placeholders`` says with what."""
    needs_credential: bool = True
    """Whether it usually asks for one. Nothing enforces it: many compatible servers don't."""
    variable: str = ""
    """The environment variable its documents keep the credential in; a name to recognize it by."""
    keys_url: str = ""
    """Where an owner gets a credential."""
    source: str
    """The document this is taken from."""
    credential_header: str = BEARER
    """Carries the credential."""
    list_header: str = ""
    """Carries it when the models are asked for, if that is another header."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every request."""
    models: str | None = "models"
    """Where it lists its models: below the base URL, or, with a slash in front, at the root of
    its server. None: it does not list them in OpenAI's shape, or not those a channel can call."""
    endpoints: tuple[Endpoint, ...] = ALL
    """What of OpenAI's API its documents promise."""
    stream_usage: StreamUsage = "asked"
    """How a stream tells its usage: when ``stream_options.include_usage`` asks for it (``asked``),
    without being asked (``always``), or also without being asked, but refusing any stream that
    asks (``refused``)."""
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """What stands in braces in the base URL, and what belongs there."""
    note: str = ""
    """What else an owner should know."""
