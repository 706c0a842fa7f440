"""What mail's API takes and gives."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from paifang.core.mail import Mail, MailState

Search = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class InboxEntry(BaseModel):
    """A mail in the dev inbox."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    to: str
    subject: str
    template: str | None
    created_at: datetime


class MailHeader(BaseModel):
    """A header of a mail."""

    name: str
    value: str


class InboxRead(InboxEntry):
    """A mail in the dev inbox, whole."""

    headers: list[MailHeader]
    text: str
    html: str | None = Field(description="Show it in a sandboxed frame.")


class OutgoingRead(BaseModel):
    """What became of a mail. Its body is not here."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    to: str
    subject: str
    template: str | None
    state: MailState
    attempts: int
    error: str | None = Field(description="What went wrong last.")
    way: str | None = Field(description="Which way out took it, or refused it for good.")
    next_try_at: datetime | None = Field(description="Not before this; only while queued.")
    created_at: datetime
    sent_at: datetime | None

    @classmethod
    def of(cls, mail: Mail) -> "OutgoingRead":
        """From the table."""
        read = cls.model_validate(mail)
        if mail.state != MailState.QUEUED:
            read.next_try_at = None
        return read
