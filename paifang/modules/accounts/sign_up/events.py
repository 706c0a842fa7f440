"""What signing up tells others."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SignUpAsked:
    """Somebody asks for an account. Whether the address has one is looked at by who hears this."""

    link_id: str


@dataclass(frozen=True)
class MailAskedAgain:
    """Somebody asks once more for the mail that confirms an address."""

    link_id: str


@dataclass(frozen=True)
class UserJoined:
    """Somebody may use Paifang from now on: verified, and invited or approved if need be."""

    user_id: str
    invitation_id: str | None
    """The invitation they came with; it may name groups."""
