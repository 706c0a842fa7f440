"""Who is calling, and whether they may: deny by default, declared on every route."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPBearer, OAuth2PasswordBearer

from paifang.core.errors import Forbidden, Unauthenticated
from paifang.core.module import load
from paifang.core.query import check_query
from paifang.core.scope import EVERYTHING, NOTHING, OWN, Scope
from paifang.core.texts import check_texts

# auto_error off: our own answer is a problem+json. It is here for the OpenAPI document alone,
# where it makes "Authorize" appear; the authenticators read the header.
_bearer = HTTPBearer(auto_error=False, description="An access token, or the administrator key.")
_password = OAuth2PasswordBearer(
    "/api/v1/auth/token",
    refreshUrl="/api/v1/auth/token",
    auto_error=False,
    description="Your mail address and password.",
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever makes a request."""

    id: str
    """Stable id of the caller, written into audit entries."""
    name: str
    """For people to read."""
    kind: str = "person"
    """``person``, ``administrator_key`` or ``operator`` (a command, the first start)."""
    user_id: UUID | None = None
    """The person; None for keys and commands, which own no rows."""
    department_id: UUID | None = None
    """Where the person belongs, if anywhere."""
    session_id: UUID | None = None
    """The session of a person who has signed in."""
    grants: Mapping[str, Scope] = field(default_factory=lambda: MappingProxyType({}))
    """The permissions that are held, each with the rows it is held for."""
    all_permissions: bool = False
    """True for administrators and their key: they may do everything, to every row."""
    needed: str | None = None
    """The permission that the route requires, which decides :attr:`scope`."""
    mine: bool = False
    """Whether the caller asks for their own rows alone, however many more they might see."""

    def may(self, permission: str) -> bool:
        """Whether the caller holds the permission, for whichever rows."""
        return self.all_permissions or permission in self.grants

    @property
    def scope(self) -> Scope:
        """The rows that the caller sees under the permission that the route requires."""
        return self.scope_of(self.needed or "")

    def scope_of(self, permission: str) -> Scope:
        """The rows that the caller sees under a permission; none when it is not held."""
        found = EVERYTHING if self.all_permissions else self.grants.get(permission, NOTHING)
        return OWN if self.mine and found.own else found

    def under(self, permission: str) -> "Principal":
        """The same caller, with the rows of another permission than the route's."""
        return replace(self, needed=str(permission))

    def only_mine(self, wanted: bool = True) -> "Principal":
        """The same caller, who asks for their own rows alone; with False, for all they see."""
        return replace(self, mine=wanted)


async def principal(request: Request) -> Principal:
    """The caller of this request, found once.

    Raises:
        Unauthenticated: no credentials, or none that anybody recognises.
    """
    known = getattr(request.state, "principal", None)
    if known is None:
        runtime = request.app.state.runtime
        for authenticator in load(runtime.authenticators):
            known = await authenticator(request, runtime)
            if known is not None:
                break
        else:
            raise Unauthenticated(
                "Sign in, or send the administrator key as `Authorization: Bearer <key>`."
            )
        for permission in declared_access(request.scope.get("route")):
            if permission is not None:
                known = known.under(permission)
        request.state.principal = known
    return cast("Principal", known)


Caller = Annotated[Principal, Depends(principal)]
"""A route's parameter: who is calling."""

ACCESS_MARK = "paifang_access"


def require(permission: StrEnum) -> Any:
    """A dependency for ``dependencies=[require(GatewayPermission.TOKENS_READ)]`` on a route.

    Exactly one of this and :func:`public` stands on every route; the start fails otherwise. Who
    may call is also told which parameters of the URL there are none of.
    """

    async def check(
        request: Request,
        caller: Caller,
        _scheme: Annotated[Any, Depends(_bearer)],
        _other: Annotated[Any, Depends(_password)],
    ) -> None:
        if not caller.may(permission):
            raise Forbidden(f"This needs the permission {permission.value}.")
        check_query(request)
        check_texts(request)

    return _marked(check, permission)


def public() -> Any:
    """A dependency that says: anybody may call this route, without credentials."""

    async def check(request: Request) -> None:
        check_texts(request)

    return _marked(check, None)


def _marked(check: Callable[..., Any], permission: StrEnum | None) -> Any:
    setattr(check, ACCESS_MARK, permission)
    return Depends(check)


def declared_access(route: Any) -> list[StrEnum | None]:
    """What a route declares: its permissions, None for each ``public()``; one entry is right."""
    found: list[StrEnum | None] = []
    for dependency in getattr(route, "dependencies", []):
        call = dependency.dependency
        if hasattr(call, ACCESS_MARK):
            found.append(getattr(call, ACCESS_MARK))
    return found
