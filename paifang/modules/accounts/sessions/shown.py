"""A session as it is shown, to its person and to administrators."""

from typing import Any
from uuid import UUID

from paifang.modules.accounts.sessions.agents import device_name
from paifang.modules.accounts.sessions.models import Session


def shown(found: Session, *, current: UUID | None = None) -> dict[str, Any]:
    """The fields of the schema; ``current`` is the session of whoever asks."""
    names = (
        "id",
        "created_at",
        "used_at",
        "expires_at",
        "authenticated_at",
        "methods",
        "address",
        "agent",
        "place",
    )
    values = {name: getattr(found, name) for name in names}
    return {**values, "device": device_name(found.agent), "current": found.id == current}
