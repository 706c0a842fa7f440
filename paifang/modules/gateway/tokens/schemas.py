"""What the tokens' API takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from paifang.modules.gateway import fields
from paifang.modules.gateway.changes import MAX_MODELS, MAX_NETWORKS
from paifang.modules.gateway.fields import Concurrency, MoneyIn, MoneyOut, Rpm, Tpm, absent

Name = Annotated[fields.Name, Field(description="Unique in the group; printable.")]
Models = Annotated[
    list[fields.ModelName],
    Field(min_length=1, max_length=MAX_MODELS, description="Models it may call; null: all."),
]
Networks = Annotated[
    list[str],
    Field(
        max_length=MAX_NETWORKS,
        description="CIDR blocks and addresses it may be used from; empty: any.",
    ),
]
ExpiresAt = Annotated[AwareDatetime, Field(description="In the future; null: never.")]
Quota = Annotated[
    MoneyIn,
    Field(description="What it may spend in its life, in the metering currency; null: no limit."),
]
State = Literal["enabled", "disabled", "revoked", "stopped", "expired", "exhausted"]


class TokenCreate(BaseModel):
    """A new token."""

    model_config = ConfigDict(extra="forbid")

    group_id: str = Field(max_length=64)
    name: Name
    models: Models | None = None
    networks: Networks = Field(default_factory=list)
    expires_at: ExpiresAt | None = None
    quota: Quota | None = None
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    concurrency: Concurrency | None = None


class TokenUpdate(BaseModel):
    """Changes to a token; what is not sent stays, and null lifts a limit."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=absent)
    status: Literal["enabled", "disabled"] = Field(default_factory=absent)
    models: Models | None = None
    networks: Networks = Field(default_factory=absent)
    expires_at: ExpiresAt | None = None
    quota: Quota | None = None
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    concurrency: Concurrency | None = None


class TokenRead(BaseModel):
    """A token, without its key."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    number: int
    """The integer id of the AI Proxy API."""
    group_id: str
    name: str
    prefix: str
    """The first characters of the key."""
    last_four: str
    """Its last four characters."""
    status: Literal["enabled", "disabled", "revoked"]
    """What was decided about it."""
    state: State
    """What it is at this moment: its status, or why an enabled token is refused."""
    models: list[str] | None
    networks: list[str]
    expires_at: datetime | None
    quota: MoneyOut | None
    used: MoneyOut
    """Spent so far, in the metering currency."""
    requests: int
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    created_by: str
    """Id of the caller who made it."""
    user_id: UUID | None
    """The person who answers for it; null when it is the group's alone."""
    user_name: str | None
    stopped_at: datetime | None
    """When that person left the group."""
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class TokenCreated(TokenRead):
    """A token with its key, which is shown this once."""

    key: str
