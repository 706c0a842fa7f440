"""What the groups' API takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from paifang.modules.gateway import fields
from paifang.modules.gateway.changes import MAX_MODELS
from paifang.modules.gateway.fields import (
    Concurrency,
    GroupId,
    MoneyIn,
    MoneyOut,
    Rpm,
    Tpm,
    absent,
)

Status = Literal["enabled", "disabled"]
Unpriced = Literal["allow", "block"]
Kind = Literal["personal", "team", "service"]
Role = Literal["owner", "manager", "member"]
Name = Annotated[fields.Name, Field(description="For people to read.")]
Models = Annotated[
    list[fields.ModelName],
    Field(max_length=MAX_MODELS, description="Models its tokens may call; null: all."),
]
Quota = Annotated[
    MoneyIn,
    Field(
        description="What it may spend in its life, with all its tokens, in the metering currency; "
        "null: no limit."
    ),
]


class GroupCreate(BaseModel):
    """A new group."""

    model_config = ConfigDict(extra="forbid")

    id: GroupId | None = Field(None, description="Made when it is not given.")
    name: Name | None = Field(None, description="For people to read; not given: the id.")
    kind: Literal["team", "service"] = Field(
        "service", description="`team` for people, `service` for a program or another system."
    )
    owner_id: UUID | None = Field(None, description="The person who is to own it.")
    status: Status = "enabled"
    unpriced: Unpriced | None = Field(
        None,
        description="A model without a price: `allow` (flagged in the log) or `block`. "
        "Not given: the setting PAIFANG_GATEWAY_UNPRICED.",
    )
    models: Models | None = None
    quota: Quota | None = None
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    concurrency: Concurrency | None = None


class GroupUpdate(BaseModel):
    """Changes to a group; what is not sent stays, and null lifts a limit."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=absent)
    status: Status = Field(default_factory=absent)
    unpriced: Unpriced = Field(default_factory=absent)
    models: Models | None = None
    quota: Quota | None = None
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    concurrency: Concurrency | None = None


class GroupRead(BaseModel):
    """A group."""

    id: str
    name: str
    kind: Kind
    status: Status
    unpriced: Unpriced
    models: list[str] | None
    quota: MoneyOut | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    used: MoneyOut
    """Spent so far, in the metering currency."""
    requests: int
    role: Role | None
    """The caller's own in it; null for who is not in it."""
    members: int
    owner: str | None
    """Name of its owner; of several, the one who has been it longest."""
    last_used_at: datetime | None
    created_at: datetime
    updated_at: datetime
