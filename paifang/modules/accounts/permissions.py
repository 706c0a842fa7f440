"""What can be permitted in accounts. Grammar: ``<module>.<subject>:<verb>``."""

from enum import StrEnum


class AccountsPermission(StrEnum):
    """Permissions of accounts."""

    SELF = "accounts.self:use"
    """To keep one's own account: profile, password, sessions, factors."""
