"""What the API of factors takes and gives."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class FactorsRead(BaseModel):
    """With what you can prove who you are, as a whole."""

    password: bool
    """Whether there is one."""
    totp_since: datetime | None
    """When an authenticator app was set up; null when none is."""
    passkeys: int
    identities: int
    """Accounts at other services that sign you in."""
    recovery_codes_left: int
    methods: list[str]
    """The second factors you may be asked for: `totp`, `passkey`, `recovery_code`."""
    required: bool
    """Whether you need a second factor here, so that the last can't be removed."""


class SecondFactorRule(BaseModel):
    """Who needs a second factor."""

    model_config = ConfigDict(extra="forbid")

    rule: Literal["off", "administrators", "everybody"]
    """`administrators`: whoever holds a role beside `member` that grants anything."""
