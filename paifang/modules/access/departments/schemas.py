"""What the departments' API takes and gives."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from paifang.core.fields import Name, absent
from paifang.modules.access.fields import Sort, Status


class DepartmentCreate(BaseModel):
    """A new department."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    parent_id: UUID | None = Field(None, description="Null makes one at the top of the tree.")
    status: Status = "enabled"
    sort: Sort = 0


class DepartmentUpdate(BaseModel):
    """Changes to a department; what is not sent stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=absent)
    status: Status = Field(default_factory=absent)
    sort: Sort = Field(default_factory=absent)


class DepartmentMove(BaseModel):
    """Where a department goes, with all below it."""

    model_config = ConfigDict(extra="forbid")

    parent_id: UUID | None = Field(description="Null moves it to the top of the tree.")


class DepartmentRead(BaseModel):
    """A department."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    parent_id: UUID | None
    name: str
    status: Status
    sort: int
    created_at: datetime
    updated_at: datetime


class DepartmentNode(DepartmentRead):
    """A department in its tree."""

    people: int
    """Who is in it, without those below."""
    children: "list[DepartmentNode]"
