"""What the API of one's own account takes and gives."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from paifang.core.fields import absent
from paifang.modules.accounts.fields import DisplayName, Locale, Phone


class ProfileRead(BaseModel):
    """You."""

    id: UUID
    email: str
    email_verified_at: datetime | None
    display_name: str
    phone: str | None
    avatar: str | None
    """Address of the picture."""
    locale: str
    department_id: UUID | None
    has_password: bool
    factors: list[str]
    """Second factors you have: `totp`, `passkey`, `recovery_code`."""
    created_at: datetime


class ProfileUpdate(BaseModel):
    """Changes; what is not sent stays, and null takes the telephone number away."""

    model_config = ConfigDict(extra="forbid")

    display_name: DisplayName = Field(default_factory=absent)
    phone: Phone | None = None
    locale: Locale = Field(default_factory=absent)
