"""What an explanation says."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from paifang.core.fields import Search
from paifang.modules.access.fields import Status
from paifang.modules.access.roles.models import DataScope


class Question(BaseModel):
    """What is asked."""

    model_config = ConfigDict(extra="forbid")

    user_id: UUID
    permission: Search
    subject: Search | None = Field(None, description="A row, as `user:<id>`: do they see it?")


class ScopeRead(BaseModel):
    """The rows for which something is permitted."""

    model_config = ConfigDict(from_attributes=True)

    everything: bool
    own: bool
    departments: list[UUID]


class Me(BaseModel):
    """What the caller may do."""

    permissions: list[str]
    scopes: dict[str, ScopeRead]
    """By permission."""
    administrator: bool


class ExplainedPerson(BaseModel):
    """Of whom it is asked."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    display_name: str
    email: str
    department_id: UUID | None
    status: str


class ExplainedRole(BaseModel):
    """What one of the person's roles says about the permission."""

    id: UUID
    code: str
    name: str
    status: Status
    data_scope: DataScope
    held: Literal["assigned", "everybody"]
    verdict: Literal["grants", "grants_everything", "disabled", "does_not_grant"]
    scope: ScopeRead | None
    """Where it grants: for which rows."""


class RoleThatGrants(BaseModel):
    """A role that the person does not hold and that would grant it."""

    id: UUID
    code: str
    name: str
    data_scope: DataScope


class ExplainedSubject(BaseModel):
    """Whether the person sees one row under the permission."""

    subject: str
    visible: bool
    why: Literal["everything", "own", "department", "outside", "not_allowed"]
    roles: list[str]
    """Codes of the roles within whose scope it is."""


class Explanation(BaseModel):
    """Why a person may or may not do something."""

    person: ExplainedPerson
    permission: str
    allowed: bool
    why: Literal["granted", "not_active", "only_disabled_roles", "no_role_grants_it"]
    scope: ScopeRead
    """For which rows: the union over the roles that grant it."""
    roles: list[ExplainedRole]
    others: list[RoleThatGrants]
    """At most 20."""
    subject: ExplainedSubject | None
