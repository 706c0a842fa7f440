"""People, departments and roles put straight into the database, and who asks about them."""

from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import insert

from doubles.api import api_of
from doubles.callers import authorization
from paifang.core.db import Database
from paifang.core.ids import uuid7
from paifang.core.runtime import Runtime
from paifang.modules.access.departments.models import Department
from paifang.modules.access.roles.models import Role, RoleDepartment, RolePermission, UserRole
from paifang.modules.accounts.users.models import User


class People:
    """Puts people, departments and roles into the database, past the services."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def department(self, name: str, parent: UUID | None = None) -> UUID:
        made = uuid7()
        async with self.db.transaction() as session:
            above = None if parent is None else await session.get(Department, parent)
            path = "/" if above is None else above.path
            session.add(Department(id=made, name=name, parent_id=parent, path=f"{path}{made.hex}/"))
        return made

    async def role(
        self,
        code: str,
        *permissions: str,
        scope: str = "self",
        departments: tuple[UUID, ...] = (),
        status: str = "enabled",
    ) -> UUID:
        made = uuid7()
        async with self.db.transaction() as session:
            session.add(Role(id=made, code=code, name=code, data_scope=scope, status=status))
            await session.flush()
            session.add_all(RolePermission(role_id=made, permission=p) for p in permissions)
            session.add_all(RoleDepartment(role_id=made, department_id=d) for d in departments)
        return made

    async def person(
        self, name: str, *roles: UUID, department: UUID | None = None, status: str = "active"
    ) -> UUID:
        made = uuid7()
        async with self.db.transaction() as session:
            session.add(
                User(
                    id=made,
                    email=f"{name}@example.org",
                    display_name=name,
                    department_id=department,
                    status=status,
                )
            )
            await session.flush()
            for role in roles:
                await session.execute(insert(UserRole).values(user_id=made, role_id=role))
        return made


def client_of(
    runtime: Runtime, headers: dict[str, str], base: str = "/access"
) -> httpx.AsyncClient:
    """A client of a process, below ``/api/v1``."""
    app = api_of(runtime)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url=f"http://paifang.test/api/v1{base}",
        headers=headers,
    )


def wrong_fields(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 422, answer.text
    return [error["field"] for error in answer.json()["errors"]]


class AsPerson:
    """Makes clients of people who have signed in; they are closed at the end."""

    def __init__(self, runtime: Runtime, stack: AsyncExitStack) -> None:
        self.runtime = runtime
        self.stack = stack

    async def __call__(self, user_id: UUID, base: str = "/access") -> httpx.AsyncClient:
        client = client_of(self.runtime, authorization(user_id), base)
        return await self.stack.enter_async_context(client)
