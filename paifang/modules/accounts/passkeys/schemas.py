"""What the API of passkeys takes and gives."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from paifang.modules.accounts.fields import DisplayName

ChallengeId = Annotated[str, StringConstraints(min_length=16, max_length=64)]
TicketText = Annotated[str, StringConstraints(min_length=16, max_length=1024)]
Credential = Annotated[
    dict[str, Any],
    Field(description="What the browser's `PublicKeyCredential.toJSON()` gives."),
]


class QuestionRead(BaseModel):
    """What a browser is to ask: `options` for `navigator.credentials`, binary values base64url."""

    challenge_id: str
    """Comes back with the answer. It counts once, for ten minutes."""
    options: dict[str, Any]


class PasskeyAnswer(BaseModel):
    """What a browser answered."""

    model_config = ConfigDict(extra="forbid")

    challenge_id: ChallengeId
    credential: Credential


class PasskeyCreate(PasskeyAnswer):
    """A passkey that a browser has made."""

    name: DisplayName


class PasskeyTicket(BaseModel):
    """The ticket of a sign-in that has one more step."""

    model_config = ConfigDict(extra="forbid")

    ticket: TicketText


class PasskeySecond(PasskeyAnswer):
    """The ticket of a sign-in, and what a browser answered."""

    ticket: TicketText


class PasskeyFirst(PasskeyCreate):
    """The ticket of a sign-in, and a passkey that a browser has made."""

    ticket: TicketText


class PasskeyUpdate(BaseModel):
    """A new name."""

    model_config = ConfigDict(extra="forbid")

    name: DisplayName


class PasskeyRead(BaseModel):
    """A passkey."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    synced: bool
    """Whether it may be copied to the person's other devices."""
    backed_up: bool
    """Whether there is such a copy: without one it is lost with its device."""
    transports: list[str]
    created_at: datetime
    used_at: datetime | None


class PasskeyMade(BaseModel):
    """A passkey, and recovery codes for who has just got a second factor."""

    passkey: PasskeyRead
    recovery_codes: list[str] | None
    """Shown this once; null where some are left from before."""
