"""What the API of teams takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from paifang.modules.gateway import fields

Role = Literal["owner", "manager", "member"]
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254, to_lower=True)
]


class TeamCreate(BaseModel):
    """A new team; who makes it owns it."""

    model_config = ConfigDict(extra="forbid")

    name: fields.Name


class TeamUpdate(BaseModel):
    """What the owners and managers of a group change themselves."""

    model_config = ConfigDict(extra="forbid")

    name: fields.Name


class TeamMade(BaseModel):
    """The team that was made."""

    id: str
    name: str


class MemberRead(BaseModel):
    """A person in a group."""

    user_id: UUID
    name: str
    email: str | None
    """For owners and managers."""
    active: bool
    """False: the account is disabled, and the person's tokens here are stopped."""
    role: Role
    since: datetime


class MemberPut(BaseModel):
    """What a person is to be in a group."""

    model_config = ConfigDict(extra="forbid")

    role: Role


class HandOver(BaseModel):
    """Who owns the group from now on."""

    model_config = ConfigDict(extra="forbid")

    user_id: UUID


class Removed(BaseModel):
    """What the removal of a member did."""

    tokens_stopped: int
    """Tokens of theirs that work no longer, until an owner takes them over."""


class InvitationCreate(BaseModel):
    """An invitation by mail."""

    model_config = ConfigDict(extra="forbid")

    email: Email
    role: Role = "member"


class InvitationRead(BaseModel):
    """An open invitation, as the group sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    role: Role
    inviter: str
    created_at: datetime
    expires_at: datetime


class OfferRead(BaseModel):
    """An open invitation, as the invited person sees it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    group_id: str
    group: str
    """The group's name."""
    inviter: str
    role: Role
    expires_at: datetime


class LinkIn(BaseModel):
    """What is behind the `#` of an invitation's link."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secret: str = Field(min_length=20, max_length=100)


class Joined(BaseModel):
    """The group that was joined."""

    group_id: str
