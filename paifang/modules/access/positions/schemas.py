"""What the positions' API takes and gives."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from paifang.core.fields import Name, absent
from paifang.modules.access.fields import Code, Description, Sort, Status


class PositionCreate(BaseModel):
    """A new position."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    name: Name
    description: Description = ""
    status: Status = "enabled"
    sort: Sort = 0


class PositionUpdate(BaseModel):
    """Changes to a position; what is not sent stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=absent)
    description: Description = Field(default_factory=absent)
    status: Status = Field(default_factory=absent)
    sort: Sort = Field(default_factory=absent)


class PositionRead(BaseModel):
    """A position."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    name: str
    description: str
    status: Status
    sort: int
    created_at: datetime
    updated_at: datetime
