"""People who call the gateway's API, each with what every member may do, or more."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from fastapi import Request
from sqlalchemy import update

from doubles.api import api_of
from paifang.core.auth import Principal
from paifang.core.db import Database, bump_version, utc_now
from paifang.core.runtime import Runtime
from paifang.core.scope import OWN, Scope, unscoped
from paifang.modules.access.departments.models import Department
from paifang.modules.accounts.users.models import User
from paifang.modules.gateway.permissions import MEMBER_PERMISSIONS

HEADER = "x-person"
MEMBER: Mapping[str, Scope] = {permission.value: OWN for permission in MEMBER_PERMISSIONS}


@dataclass
class Person:
    """Somebody with an account, and a client that calls as them."""

    id: UUID
    api: httpx.AsyncClient
    principal: Principal

    def under(self, permission: Any) -> Principal:
        """As the routes of a permission know them."""
        return self.principal.under(permission)


class People:
    """Makes people. Requests with their header are theirs."""

    def __init__(self, runtime: Runtime, db: Database) -> None:
        self._runtime = runtime
        self._db = db
        self._known: dict[str, Principal] = {}
        self._stack = AsyncExitStack()
        self._app = api_of(runtime)
        runtime.authenticators = (self._find, *runtime.authenticators)

    async def _find(self, request: Request, _runtime: Runtime) -> Principal | None:
        return self._known.get(request.headers.get(HEADER, ""))

    async def department(self, name: str) -> UUID:
        """A new department."""
        department = Department(name=name, path=f"/{name}/")
        async with self._db.transaction() as session:
            session.add(department)
        return department.id

    async def make(
        self,
        name: str,
        *,
        department: UUID | None = None,
        grants: Mapping[str, Scope] | None = None,
        verified: bool = True,
    ) -> Person:
        """A person; ``grants`` come beside those of a member."""
        user = User(
            email=f"{name}@example.com",
            email_verified_at=utc_now() if verified else None,
            display_name=name.title(),
            department_id=department,
            status="active",
        )
        async with self._db.transaction() as session:
            session.add(user)
        caller = Principal(
            id=str(user.id),
            name=user.display_name,
            user_id=user.id,
            department_id=department,
            grants={**MEMBER, **(grants or {})},
        )
        self._known[name] = caller
        client = await self._stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(self._app),
                base_url="http://paifang.test/api/v1/gateway",
                headers={HEADER: name},
            )
        )
        return Person(user.id, client, caller)

    async def set_status(self, person: Person, status: str) -> None:
        """As accounts does it: the status, and the gateway's version with it."""
        async with self._db.transaction() as session:
            statement = update(User).where(User.id == person.id).values(status=status)
            await session.execute(unscoped(statement, "a test"))
            await bump_version(session, "gateway")

    async def close(self) -> None:
        """Close the clients."""
        await self._stack.aclose()


def made(answer: httpx.Response, status: int = 201) -> dict[str, Any]:
    """The body of an answer that must have this status."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json() if answer.content else {}
    return body


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["code"]


async def opened(runtime: Runtime, db: Database) -> AsyncIterator[People]:
    """For a fixture."""
    people = People(runtime, db)
    yield people
    await people.close()
