"""What the API of sign-in by another service takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from paifang.modules.accounts.entry.answers import FactorNeeded, SignedIn
from paifang.modules.accounts.fields import LinkToken, Locale

Told = Annotated[str, StringConstraints(max_length=4096)]


class OidcCallback(BaseModel):
    """What a provider adds to the URL that it sends the browser back to; more is ignored."""

    state: Annotated[str, StringConstraints(max_length=4096)] = ""
    code: Told | None = None
    error: Told | None = None
    iss: Told | None = None


class OidcFinish(BaseModel):
    """What a new account needs to know."""

    model_config = ConfigDict(extra="forbid")

    locale: Locale = "en"
    invitation: LinkToken | None = None


class OidcArrived(BaseModel):
    """Who has come back from another service. One of the two is there."""

    signed_in: SignedIn | None
    factor: FactorNeeded | None
    """One more thing to show or to set up, as after a password."""
    next: str
    """The path of our own pages that the trip began for."""


class IdentityStart(BaseModel):
    """What to go to another service for."""

    model_config = ConfigDict(extra="forbid")

    purpose: Literal["link", "reauthenticate"]
    next: Annotated[str, StringConstraints(max_length=512)] = Field(
        "/", description="The path of our own pages to go to in the end."
    )


class IdentityAway(BaseModel):
    """Where to send the browser."""

    url: str


class IdentityRead(BaseModel):
    """An account at another service that signs you in."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    """Its id in `GET /auth/policy`; that provider may not be set up any more."""
    issuer: str
    label: str
    created_at: datetime
    used_at: datetime | None
