"""What can be permitted in the gateway. Grammar: ``<module>.<subject>:<verb>``.

A permission says what may be done; for which rows is said by the scope of the role that grants it,
and for a person's own groups by their role in each. So members hold those of
:data:`MEMBER_PERMISSIONS` and still see nothing of others.
"""

from enum import StrEnum


class GatewayPermission(StrEnum):
    """Permissions of the gateway."""

    AIPROXY_USE = "gateway.aiproxy:use"
    """Everything that the API of AI Proxy does."""
    CHANNELS_READ = "gateway.channels:read"
    CHANNELS_WRITE = "gateway.channels:write"
    GROUPS_READ = "gateway.groups:read"
    GROUPS_WRITE = "gateway.groups:write"
    """Make any group, and set what groups may spend and call."""
    LOGS_READ = "gateway.logs:read"
    LOGS_WRITE = "gateway.logs:write"
    PRICES_READ = "gateway.prices:read"
    PRICES_WRITE = "gateway.prices:write"
    TEAMS_WRITE = "gateway.teams:write"
    """Make teams, and manage the members of one's groups."""
    TOKENS_READ = "gateway.tokens:read"
    TOKENS_WRITE = "gateway.tokens:write"
    USAGE_READ = "gateway.usage:read"


MEMBER_PERMISSIONS = (
    GatewayPermission.GROUPS_READ,
    GatewayPermission.LOGS_READ,
    GatewayPermission.PRICES_READ,
    GatewayPermission.TEAMS_WRITE,
    GatewayPermission.TOKENS_READ,
    GatewayPermission.TOKENS_WRITE,
    GatewayPermission.USAGE_READ,
)
"""What every person may do by default, in the groups they are in."""
