"""The walk over every route as every kind of caller: what examples are, and whom they meet.

A route without parameters and without a body is called as it is. Any other needs an example: a
function that makes what the call is about and says how it is called. Each file in ``examples``
holds those of one module::

    @example("roles.get_role")
    async def _(world: World) -> Example:
        return Example(path={"role_id": await world.role()})

The name is the operation's in the OpenAPI document: the first tag and the function. An example is
made anew for each call, so it may be changed or deleted by it.

Rows that not everybody sees belong to ``world.stranger``, who is in the department ``world.far``;
such an example says ``hidden=True``, and the walk asserts that a caller whose scope does not reach
there is told 404. A list of such rows says in ``shows`` a text that only they hold.
"""

import asyncio
import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import delete, insert, select
from starlette.types import Message, Receive, Scope, Send

from doubles.callers import authorization, person_by_header, user_of
from paifang.api import create_api, operation_id, routers
from paifang.core.auth import Principal, declared_access
from paifang.core.ids import uuid7
from paifang.core.runtime import Runtime
from paifang.modules.access.departments.models import Department
from paifang.modules.access.roles.models import Role, RolePermission, UserRole
from paifang.modules.access.roles.service import declared, seed
from paifang.modules.accounts.users.models import User
from paifang.registry import MODULES


@dataclass(frozen=True)
class Example:
    """How a route is called with success."""

    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, Any] | None = None
    files: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hidden: bool = False
    """The row that the path names is the stranger's: it is outside of other people's scope."""
    shows: str | None = None
    """A text in the answer that tells of the stranger's row."""
    mine: "Callable[[World, UUID], Awaitable[Mapping[str, Any]]] | None" = None
    """For what is about oneself: makes a row of the caller's own, and what the path names it by."""
    endless: bool = False
    """The answer is a stream that ends when the client leaves."""


Maker = Callable[["World"], Awaitable[Example]]
EXAMPLES: dict[str, Maker] = {}


def example(operation: str) -> Callable[[Maker], Maker]:
    """Register the maker of a route's example."""

    def register(maker: Maker) -> Maker:
        if operation in EXAMPLES:
            raise ValueError(f"there are two examples of {operation}")
        EXAMPLES[operation] = maker
        return maker

    return register


def load_examples() -> None:
    """Import every file of ``examples``."""
    import matrix.examples as package  # noqa: PLC0415  # they import this file

    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")


@dataclass(frozen=True)
class Walked:
    """A route as it is walked: one method of one path."""

    method: str
    template: str
    operation: str
    permission: str | None
    """None where it is public."""
    needs_example: bool

    @property
    def id(self) -> str:
        """For the test's name."""
        return f"{self.method} {self.template}"


def every_route() -> list[Walked]:
    """Every route of every module, and those of the application itself."""
    found = []
    for prefix, router in routers(MODULES):
        for route in router.routes:
            if not isinstance(route, APIRoute):
                raise TypeError(f"{route} can't be walked")
            (permission,) = declared_access(route)
            needs = (
                "{" in route.path
                or route.body_field is not None
                or any(f.field_info.is_required() for f in route.dependant.query_params)
            )
            found += [
                Walked(
                    method,
                    f"{prefix}{route.path}",
                    operation_id(route),
                    None if permission is None else permission.value,
                    needs,
                )
                for method in sorted(route.methods)
            ]
    return found


OPERATOR = Principal("walk", "Walk", kind="operator", all_permissions=True)

_app: FastAPI | None = None


def the_app(runtime: Runtime) -> FastAPI:
    """The API, made once in a test process; the test's own runtime behind it."""
    global _app  # noqa: PLW0603  # making 150 routes takes longer than walking one
    if _app is None:
        _app = create_api(MODULES)
    _app.state.runtime = runtime
    return _app


class World:
    """An installation with people in two departments, and the means to add things to it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.db = runtime.db
        self.operator = OPERATOR
        self.home = self.far = self.stranger = UUID(int=0)
        runtime.authenticators = (person_by_header, *runtime.authenticators)

    async def found(self) -> "World":
        """Make what is always there."""
        await seed(self.db, MODULES)
        self.home, self.far = await self.department("home"), await self.department("far")
        self.stranger = await self.person(department=self.far)
        return self

    async def department(self, name: str = "", parent: UUID | None = None) -> UUID:
        """A department at the top."""
        made = uuid7()
        async with self.db.transaction() as session:
            path = f"/{made.hex}/"
            session.add(Department(id=made, name=name or made.hex, parent_id=parent, path=path))
        return made

    async def role(self, *permissions: str, scope: str = "self") -> UUID:
        """A role that grants these."""
        made = uuid7()
        async with self.db.transaction() as session:
            session.add(Role(id=made, code=made.hex, name="Role", data_scope=scope))
            await session.flush()
            session.add_all(RolePermission(role_id=made, permission=p) for p in permissions)
        return made

    async def person(
        self, *roles: UUID, department: UUID | None = None, status: str = "active"
    ) -> UUID:
        """Somebody."""
        made = uuid7()
        async with self.db.transaction() as session:
            session.add(
                User(
                    id=made,
                    email=f"{made.hex}@example.org",
                    display_name=made.hex,
                    department_id=department,
                    status=status,
                )
            )
            await session.flush()
            for role in roles:
                await session.execute(insert(UserRole).values(user_id=made, role_id=role))
        return made

    async def take_from_members(self, permission: str) -> None:
        """Have the role ``member`` no longer grant it."""
        async with self.db.transaction() as session:
            await session.execute(
                delete(RolePermission).where(RolePermission.permission == permission)
            )

    # --- callers ---

    async def sign_in(self, user_id: UUID) -> dict[str, str]:
        """The headers of somebody who has signed in."""
        return authorization(user_id)

    async def member(self) -> dict[str, str]:
        """Somebody without any role but ``member``."""
        return await self.sign_in(await self.person(department=self.home))

    async def holder(
        self, permission: str, *, scope: str = "all", status: str = "active"
    ) -> dict[str, str]:
        """Somebody who holds the one permission that is asked for."""
        role = await self.role(permission, scope=scope)
        who = await self.person(role, department=self.home, status=status)
        return await self.sign_in(who)

    async def all_but(self, permission: str) -> dict[str, str]:
        """Somebody with every permission there is, for every row, but not this one."""
        role = await self.role(*(p for p in declared(MODULES) if p != permission), scope="all")
        return await self.sign_in(await self.person(role, department=self.home))

    async def administrator(self) -> dict[str, str]:
        """An administrator."""
        async with self.db.reading() as session:
            role = await session.scalar(select(Role.id).where(Role.code == "administrator"))
        assert role is not None
        return await self.sign_in(await self.person(role))

    # --- calls ---

    async def example_of(self, route: Walked) -> Example:
        """What the route is called with, made anew."""
        maker = EXAMPLES.get(route.operation)
        if maker is not None:
            return await maker(self)
        assert not route.needs_example, (
            f"{route.id} has no example: register one for {route.operation!r} in "
            "tests/matrix/examples"
        )
        return Example()

    async def call(
        self, route: Walked, made: Example, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Call a route as somebody; without headers as nobody."""
        app: Any = the_app(self.runtime)
        path = dict(made.path)
        caller = user_of(headers or {})
        if made.mine is not None and caller is not None:
            path |= await made.mine(self, caller)
        if made.endless:
            app = _first_piece_of(app)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://paifang.test") as client:
            return await client.request(
                route.method,
                route.template.format(**path),
                params=dict(made.query) or None,
                json=made.json,
                data=made.form,
                files=made.files,
                headers={**(headers or {}), **made.headers},
            )


def _first_piece_of(app: Any) -> Any:
    """The application, whose client leaves after the first piece of an answer."""

    async def cut(scope: Scope, receive: Receive, send: Send) -> None:
        enough = asyncio.Event()

        async def first(message: Message) -> None:
            if enough.is_set():
                return
            if message["type"] == "http.response.body":
                message = {**message, "more_body": False}
                enough.set()
            await send(message)

        calling = asyncio.ensure_future(app(scope, receive, first))
        waiting = asyncio.ensure_future(enough.wait())
        await asyncio.wait({calling, waiting}, return_when=asyncio.FIRST_COMPLETED)
        for task in (calling, waiting):
            task.cancel()
        await asyncio.gather(calling, waiting, return_exceptions=True)

    return cut
