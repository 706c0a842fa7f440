"""People who have signed in, without signing in: a header names the person.

Everything behind it is the real thing: the person's row, the version of access and their grants
are read for each request, as a session's authenticator does it.
"""

from collections.abc import Mapping
from uuid import UUID

from fastapi import Request
from sqlalchemy import select

from paifang.core.auth import Principal
from paifang.core.runtime import Runtime
from paifang.modules.access.above import ACTIVE, PEOPLE, person
from paifang.modules.access.roles.service import access_version, grants_at

SCHEME = "Person "


def authorization(user_id: UUID) -> dict[str, str]:
    """The headers of a person's request."""
    return {"Authorization": f"{SCHEME}{user_id}"}


def user_of(headers: Mapping[str, str]) -> UUID | None:
    """Whom such headers name; None for others."""
    header = headers.get("Authorization", "")
    return UUID(header.removeprefix(SCHEME)) if header.startswith(SCHEME) else None


async def person_by_header(request: Request, runtime: Runtime) -> Principal | None:
    """The authenticator: whoever the header names, if they are active."""
    header = request.headers.get("authorization", "")
    if not header.startswith(SCHEME):
        return None
    user_id = UUID(header.removeprefix(SCHEME))
    async with runtime.db.reading() as session:
        statement = select(*PEOPLE.c, access_version()).where(person(user_id))
        row = (await session.execute(statement)).one_or_none()
        if row is None or row.status != ACTIVE:
            return None
        held = await grants_at(
            session, version=row[-1], user_id=user_id, department_id=row.department_id
        )
    return Principal(
        id=str(user_id),
        name=row.display_name,
        user_id=user_id,
        department_id=row.department_id,
        grants=held.permissions,
        all_permissions=held.administrator,
    )
