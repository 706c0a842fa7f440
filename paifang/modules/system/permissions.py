"""What can be permitted in system. Grammar: ``<module>.<subject>:<verb>``."""

from enum import StrEnum


class SystemPermission(StrEnum):
    """Permissions of system. Mails in the dev inbox hold links that let people in."""

    INBOX_READ = "system.inbox:read"
    MAIL_READ = "system.mail:read"
    MAIL_WRITE = "system.mail:write"
