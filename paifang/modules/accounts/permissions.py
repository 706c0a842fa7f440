"""What can be permitted in accounts. Grammar: ``<module>.<subject>:<verb>``."""

from enum import StrEnum


class AccountsPermission(StrEnum):
    """Permissions of accounts."""

    INVITATIONS_READ = "accounts.invitations:read"
    INVITATIONS_WRITE = "accounts.invitations:write"
    SELF = "accounts.self:use"
    """To keep one's own account: profile, password, sessions, factors."""
    SETTINGS_READ = "accounts.settings:read"
    SETTINGS_WRITE = "accounts.settings:write"
    USERS_READ = "accounts.users:read"
    USERS_WRITE = "accounts.users:write"
