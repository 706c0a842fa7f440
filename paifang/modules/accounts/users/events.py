"""What happens to accounts, for whoever keeps something for people."""

from dataclasses import dataclass


@dataclass(frozen=True)
class UserDisabled:
    """Somebody may not use Paifang any more, for now. Their sessions are over already."""

    user_id: str


@dataclass(frozen=True)
class UserDeleted:
    """Somebody's account is gone: what was theirs alone may go, too."""

    user_id: str
