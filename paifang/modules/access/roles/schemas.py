"""What the roles' API takes and gives."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from paifang.core.fields import Name, absent
from paifang.modules.access.fields import Code, Description, Sort, Status
from paifang.modules.access.roles.models import DataScope

DepartmentIds = Annotated[
    list[UUID], Field(max_length=1000, description="For the data scope `chosen` alone.")
]
Permissions = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)]


class RoleCreate(BaseModel):
    """A new role."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    name: Name
    description: Description = ""
    status: Status = "enabled"
    data_scope: DataScope = DataScope.SELF
    department_ids: DepartmentIds = []
    permissions: Permissions = []
    sort: Sort = 0


class RoleUpdate(BaseModel):
    """Changes to a role; what is not sent stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(default_factory=absent)
    description: Description = Field(default_factory=absent)
    status: Status = Field(default_factory=absent)
    data_scope: DataScope = Field(default_factory=absent)
    department_ids: DepartmentIds = Field(default_factory=absent)
    sort: Sort = Field(default_factory=absent)


class RolePermissionsUpdate(BaseModel):
    """What a role grants from now on."""

    model_config = ConfigDict(extra="forbid")

    permissions: Permissions


class RoleRead(BaseModel):
    """A role."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    name: str
    description: str
    status: Status
    data_scope: DataScope
    built_in: bool
    sort: int
    created_at: datetime
    updated_at: datetime
    permissions: list[str]
    """Of `administrator` all of them."""
    department_ids: list[UUID]
    people: int
    """To whom it is assigned; `member` is held by everybody all the same."""


class HolderRead(BaseModel):
    """Somebody who holds a role."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    display_name: str
    email: str
    department_id: UUID | None
    status: str


class PermissionRead(BaseModel):
    """A permission; the pages hold its title in each language."""

    permission: str
    member: bool
    """The role `member` is given it when it is first known."""


class ModulePermissions(BaseModel):
    """What a module declares."""

    module: str
    permissions: list[PermissionRead]
