"""Settings of the gateway."""

from dataclasses import dataclass, field
from typing import Literal

from paifang.core.settings import Section, setting
from paifang.modules.gateway.local.settings import LocalSettings


@dataclass(frozen=True)
class GatewaySettings(Section):
    """The gateway and its relay."""

    currency: str = setting(
        "USD", "The one currency that usage is metered in (ISO 4217).", pattern=r"^[A-Z]{3}$"
    )
    unpriced: Literal["allow", "block"] = setting(
        "allow",
        "For new groups: whether a model without a price may be called. Allowed calls "
        "are flagged as unpriced in the log.",
    )
    max_body_bytes: int = setting(
        33_554_432, "Largest request body the relay takes; more is a 413.", ge=1024
    )
    max_attempts: int = setting(3, "Channels that are tried for one call.", ge=1, le=10)
    poll_seconds: float = setting(
        0.5, "How often a process looks whether another one changed something.", gt=0, le=1
    )
    flush_seconds: float = setting(
        0.5, "How often finished calls are copied from the journal to the database.", gt=0
    )
    log_days: int = setting(90, "Days after which logs are deleted; 0 keeps them for ever.", ge=0)
    usage_days: int = setting(
        800,
        "Days after which the hourly sums of usage are deleted; 0 keeps them for ever.",
        ge=0,
    )
    local: LocalSettings = field(default_factory=LocalSettings)
    welcome: bool = setting(
        True, "At the very first start, make a group, a token and a channel for the local model."
    )
