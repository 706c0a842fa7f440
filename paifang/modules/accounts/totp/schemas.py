"""What the API of authenticator apps takes and gives."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Code = Annotated[str, StringConstraints(min_length=6, max_length=16)]
"""Six digits, with spaces if somebody likes."""
TicketText = Annotated[str, StringConstraints(min_length=16, max_length=1024)]


class TotpCode(BaseModel):
    """A code that the app shows now."""

    model_config = ConfigDict(extra="forbid")

    code: Code


class TicketOnly(BaseModel):
    """The ticket of a sign-in that has one more step."""

    model_config = ConfigDict(extra="forbid")

    ticket: TicketText


class TotpSignIn(BaseModel):
    """The ticket of a sign-in, and a code."""

    model_config = ConfigDict(extra="forbid")

    ticket: TicketText
    code: Code


class TotpRead(BaseModel):
    """A secret for an authenticator app. It is shown this once, and counts once confirmed."""

    secret: str
    """Base32, to type by hand."""
    uri: str
    """The same as an `otpauth:` URI, for a QR code."""


class FirstCodes(BaseModel):
    """Recovery codes for who has just got a second factor."""

    recovery_codes: list[str] | None
    """Shown this once; null where some are left from before."""
