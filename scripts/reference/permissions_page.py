"""Every permission and the routes that ask for it."""

from collections import defaultdict
from enum import StrEnum

from fastapi.routing import APIRoute

from paifang.api import routers
from paifang.core.auth import declared_access
from paifang.registry import MODULES
from scripts.reference.markdown import code, page, prose, table

INTRODUCTION = """
A permission is `<module>.<subject>:<verb>`. Each route of the API declares exactly one, or says
that it is public; `paifang check` and every start assert that. Administrators and the administrator
key hold them all; [roles](../guides/access.md) grant some of them. Those marked "members" are held
by everybody who has signed in, unless an administrator takes them from the role `member`.
"""


def write() -> str:
    """The page."""
    routes: dict[StrEnum | None, list[str]] = defaultdict(list)
    for prefix, router in routers():
        for route in router.routes:
            if isinstance(route, APIRoute):
                for permission in declared_access(route):
                    routes[permission] += [
                        f"{method} {prefix}{route.path}"
                        for method in sorted(route.methods or ())
                        if method != "HEAD"
                    ]
    parts = [INTRODUCTION]
    for module in MODULES:
        if module.permissions is None:
            continue
        rows = [
            [
                code(permission),
                "members" if permission in module.member_permissions else "",
                ", ".join(code(route) for route in _unique(routes[permission])),
            ]
            for permission in module.permissions
        ]
        shown = table(["Permission", "Held by", "Asked for by"], rows)
        parts.append(f"## {module.name}\n\n{prose(module.permissions.__doc__)}\n\n{shown}")
    public = ", ".join(code(route) for route in _unique(routes[None]))
    parts.append(
        f"## Public\n\nAnybody may call: {public}.\n\n`GET /metrics` asks for a key of its own. "
        "Everything below `/v1` is not in this list: it asks for a token."
    )
    return page("Permissions", *parts)


def _unique(routes: list[str]) -> list[str]:
    """The routes, those that differ by a last slash once."""
    shortest = {route.rstrip("/"): route for route in sorted(routes, reverse=True)}
    return sorted(shortest[route] for route in shortest)
