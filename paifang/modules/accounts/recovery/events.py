"""What recovery tells itself a moment later, where nobody can time it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ResetAsked:
    """Somebody has forgotten their password, or says so."""

    link_id: str


@dataclass(frozen=True)
class EmailChangeAsked:
    """Somebody wants another mail address."""

    link_id: str
