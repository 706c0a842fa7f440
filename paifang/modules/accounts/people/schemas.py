"""What the console's API of people takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from paifang.core.fields import absent
from paifang.modules.accounts.fields import DisplayName, Email, Locale, Phone

Status = Literal["pending", "awaiting", "unconfirmed", "active", "disabled"]
"""What a list asks for. Who is pending either awaits approval, with an address that is confirmed,
or has not confirmed it yet: was invited, or asked to sign up."""
Ids = Annotated[list[UUID], Field(max_length=50)]


class RoleName(BaseModel):
    """A role, as far as a list of people shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    name: str


class PositionName(BaseModel):
    """A position, as far as a list of people shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    code: str
    name: str


class UserRead(BaseModel):
    """A person."""

    id: UUID
    email: str
    email_verified_at: datetime | None
    display_name: str
    phone: str | None
    avatar: str | None
    """Address of the picture."""
    locale: str
    department_id: UUID | None
    status: str
    status_reason: str | None
    has_password: bool
    roles: list[RoleName]
    positions: list[PositionName]
    created_at: datetime
    updated_at: datetime
    last_seen_at: datetime | None


class UserCreate(BaseModel):
    """An account for somebody, who gets an invitation by mail."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    display_name: DisplayName
    locale: Locale = "en"
    department_id: UUID | None = None
    role_ids: Ids = []
    position_ids: Ids = []


class UserCreated(BaseModel):
    """The person, and where the invitation is accepted; shown once, in case mail fails."""

    user: UserRead
    invitation_link: str


class UserUpdate(BaseModel):
    """Changes to a person; what is not sent stays."""

    model_config = ConfigDict(extra="forbid")

    display_name: DisplayName = Field(default_factory=absent)
    phone: Phone | None = None
    locale: Locale = Field(default_factory=absent)
    department_id: UUID | None = None


class RolesPut(BaseModel):
    """The roles a person holds, beside `member`."""

    model_config = ConfigDict(extra="forbid")

    role_ids: Ids


class PositionsPut(BaseModel):
    """The positions a person holds."""

    model_config = ConfigDict(extra="forbid")

    position_ids: Ids


class Disable(BaseModel):
    """Why somebody is shut out; for administrators."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=255)] | None = None


class Batch(BaseModel):
    """The same for several people: all of it, or nothing."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]
    action: Literal["disable", "enable", "approve", "sign_out", "delete"]


class DeviceRead(BaseModel):
    """Where a person is signed in."""

    id: UUID
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    methods: list[str]
    address: str
    agent: str
    device: str
    place: str | None
    current: bool
