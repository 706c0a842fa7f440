"""Roles and who holds them. The only place that writes them."""

from paifang.modules.access.roles.built_in import ensure_built_in, seed
from paifang.modules.access.roles.grants import (
    VERSION,
    Grants,
    access_version,
    grants,
    grants_at,
)

__all__ = [
    "VERSION",
    "Grants",
    "access_version",
    "ensure_built_in",
    "grants",
    "grants_at",
    "seed",
]
