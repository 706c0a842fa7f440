"""What can be permitted in access. Grammar: ``<module>.<subject>:<verb>``."""

from enum import StrEnum


class AccessPermission(StrEnum):
    """Permissions of access."""

    DEPARTMENTS_READ = "access.departments:read"
    DEPARTMENTS_WRITE = "access.departments:write"
    EXPLAIN_READ = "access.explain:read"
    MENUS_READ = "access.menus:read"
    MENUS_WRITE = "access.menus:write"
    POSITIONS_READ = "access.positions:read"
    POSITIONS_WRITE = "access.positions:write"
    ROLES_READ = "access.roles:read"
    ROLES_WRITE = "access.roles:write"
    SELF = "access.self:use"
    """To ask what one may do oneself."""
