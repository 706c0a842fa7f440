"""What the groups' API takes and gives."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from paifang.modules.gateway.fields import Concurrency, GroupId, MoneyOut, Rpm, Tpm, absent

Status = Literal["enabled", "disabled"]
Unpriced = Literal["allow", "block"]


class GroupCreate(BaseModel):
    """A new group."""

    model_config = ConfigDict(extra="forbid")

    id: GroupId | None = Field(None, description="Made when it is not given.")
    status: Status = "enabled"
    unpriced: Unpriced | None = Field(
        None,
        description="A model without a price: `allow` (flagged in the log) or `block`. "
        "Not given: the setting PAIFANG_GATEWAY_UNPRICED.",
    )
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    concurrency: Concurrency | None = None


class GroupUpdate(BaseModel):
    """Changes to a group; what is not sent stays, and null lifts a limit."""

    model_config = ConfigDict(extra="forbid")

    status: Status = Field(default_factory=absent)
    unpriced: Unpriced = Field(default_factory=absent)
    rpm: Rpm | None = None
    tpm: Tpm | None = None
    concurrency: Concurrency | None = None


class GroupRead(BaseModel):
    """A group."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    status: Status
    unpriced: Unpriced
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    used: MoneyOut
    """Spent so far, in the metering currency."""
    requests: int
    last_used_at: datetime | None
    created_at: datetime
    updated_at: datetime
