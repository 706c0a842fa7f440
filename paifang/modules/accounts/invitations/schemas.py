"""What the console's API of invitations takes and gives."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from paifang.modules.accounts.fields import Email, Locale


class InvitationCreate(BaseModel):
    """Somebody is invited."""

    model_config = ConfigDict(extra="forbid")

    email: Email | None = Field(
        None, description="They get a mail. Null: whoever holds the link that is answered."
    )
    role_ids: Annotated[list[UUID], Field(max_length=50)] = []
    group_ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=50)] = Field(
        [],
        description="Groups of the gateway that the person becomes a member of when they join, as "
        "far as whoever invites may put people into them then.",
    )
    department_id: UUID | None = None
    note: Annotated[str, Field(max_length=255)] = ""
    locale: Locale = Field("en", description="Language of the mail.")
    days: Annotated[int, Field(strict=True, ge=1, le=90)] = 7


class InvitationRead(BaseModel):
    """An invitation."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str | None
    user_id: UUID | None
    role_ids: list[UUID]
    group_ids: list[str]
    department_id: UUID | None
    note: str
    invited_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None


class InvitationCreated(BaseModel):
    """The invitation, and where it is accepted; shown once."""

    invitation: InvitationRead
    link: str
