"""What the sessions' API gives."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel


class SessionRead(BaseModel):
    """A signed-in device."""

    id: UUID
    created_at: datetime
    used_at: datetime
    """The last refresh; a page that is open refreshes every few minutes."""
    expires_at: datetime
    authenticated_at: datetime
    methods: list[str]
    address: str
    agent: str
    """The browser, as it names itself."""
    device: str
    """Such as `Firefox on Windows`; may be empty."""
    place: str | None
    current: bool
    """It is the one that asks."""
