"""Recognises the administrator key in a request."""

from fastapi import Request

from paifang.core.auth import Principal
from paifang.core.runtime import Runtime

ADMINISTRATOR = Principal(
    id="administrator",
    name="Administrator key",
    kind="administrator_key",
    all_permissions=True,
)


def bearer(header: str) -> str:
    """The credential of an ``Authorization`` header, with or without ``Bearer``."""
    scheme, _, rest = header.strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else header.strip()


async def administrator_key(request: Request, runtime: Runtime) -> Principal | None:
    """The administrator, when the request carries their key; None otherwise."""
    candidate = bearer(request.headers.get("authorization", ""))
    return ADMINISTRATOR if candidate and runtime.secrets.is_admin_key(candidate) else None
