"""Settings of the gateway."""

from typing import Annotated, Literal

from pydantic import Field

from paifang.core.settings import Section
from paifang.modules.gateway.local.settings import LocalSettings


class GatewaySettings(Section):
    """The gateway and its relay."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(
        "USD", description="The one currency that usage is metered in (ISO 4217)."
    )
    unpriced: Literal["allow", "block"] = Field(
        "allow",
        description="For new groups: whether a model without a price may be called. Allowed calls "
        "are flagged as unpriced in the log.",
    )
    max_body_bytes: Annotated[int, Field(ge=1024)] = Field(
        33_554_432, description="Largest request body the relay takes; more is a 413."
    )
    max_attempts: Annotated[int, Field(ge=1, le=10)] = Field(
        3, description="Channels that are tried for one call."
    )
    poll_seconds: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="How often a process looks whether another one changed something."
    )
    flush_seconds: Annotated[float, Field(gt=0)] = Field(
        0.5, description="How often finished calls are copied from the journal to the database."
    )
    log_days: Annotated[int, Field(ge=0)] = Field(
        90, description="Days after which logs are deleted; 0 keeps them for ever."
    )
    local: LocalSettings = LocalSettings()
    welcome: bool = Field(
        default=True,
        description="At the very first start, make a group, a token and a channel for the local "
        "model.",
    )
