"""What can be permitted in the gateway. Grammar: ``<module>.<subject>:<verb>``."""

from enum import StrEnum


class GatewayPermission(StrEnum):
    """Permissions of the gateway."""

    CHANNELS_READ = "gateway.channels:read"
    CHANNELS_WRITE = "gateway.channels:write"
    GROUPS_READ = "gateway.groups:read"
    GROUPS_WRITE = "gateway.groups:write"
    LOGS_READ = "gateway.logs:read"
    LOGS_WRITE = "gateway.logs:write"
    PRICES_READ = "gateway.prices:read"
    PRICES_WRITE = "gateway.prices:write"
    TOKENS_READ = "gateway.tokens:read"
    TOKENS_WRITE = "gateway.tokens:write"
