"""The console's API of people."""

import csv
import io
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from paifang.core.auth import Caller, require
from paifang.core.db import on_commit
from paifang.core.db.request import Db
from paifang.core.fields import Search
from paifang.core.pagination import Page, Paging
from paifang.core.runtime import Runtime
from paifang.modules.accounts.entry.answers import picture
from paifang.modules.accounts.people import reading, service
from paifang.modules.accounts.people.reading import Person, Wanted
from paifang.modules.accounts.people.schemas import (
    Batch,
    DeviceRead,
    Disable,
    PositionName,
    PositionsPut,
    RoleName,
    RolesPut,
    Status,
    UserCreate,
    UserCreated,
    UserRead,
    UserUpdate,
)
from paifang.modules.accounts.permissions import AccountsPermission
from paifang.modules.accounts.pictures import forget_pictures
from paifang.modules.accounts.sessions.shown import shown

router = APIRouter(prefix="/accounts/users", tags=["people"])
READ = require(AccountsPermission.USERS_READ)
WRITE = require(AccountsPermission.USERS_WRITE)


def wanted(
    status: Status | None = None,
    search: Annotated[Search | None, Query(description="Part of the address or the name.")] = None,
    department_id: Annotated[
        UUID | None, Query(description="They belong to it, or below it.")
    ] = None,
    role_id: UUID | None = None,
) -> Wanted:
    """What a list of people is filtered by."""
    return Wanted(status, search, department_id, role_id)


Filter = Annotated[Wanted, Depends(wanted)]


@router.get("", dependencies=[READ])
async def list_users(
    session: Db, caller: Caller, paging: Paging, filters: Filter
) -> Page[UserRead]:
    """People, the newest first."""
    found = await reading.list_page(session, caller=caller, paging=paging, wanted=filters)
    return Page(
        items=[_read(person) for person in found.items],
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )


@router.get(
    "/export",
    dependencies=[READ],
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "A table, UTF-8"}},
)
async def export_users(session: Db, caller: Caller, filters: Filter) -> Response:
    """The list as CSV, at most 10,000 people."""
    found = await reading.export(session, caller=caller, wanted=filters)
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(COLUMNS)
    for person in found:
        row = _read(person)
        values = row.model_dump(mode="json", include=set(COLUMNS))
        values["roles"] = ", ".join(role.code for role in row.roles)
        values["positions"] = ", ".join(position.code for position in row.positions)
        table.writerow([_cell(values[column]) for column in COLUMNS])
    return Response(
        # The mark in front has spreadsheets read UTF-8.
        "\ufeff" + out.getvalue(),
        media_type="text/csv",
        headers={"content-disposition": 'attachment; filename="people.csv"'},
    )


COLUMNS = (
    "id",
    "email",
    "display_name",
    "phone",
    "locale",
    "department_id",
    "status",
    "roles",
    "positions",
    "created_at",
    "last_seen_at",
)


def _cell(value: object) -> str:
    """A value that no spreadsheet takes for a formula."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in "=+-@\t\r" and text else text


@router.post("", status_code=201, dependencies=[WRITE])
async def create_user(
    request: Request, session: Db, caller: Caller, body: UserCreate
) -> UserCreated:
    """Make an account for somebody, and invite them."""
    person, link = await service.create(
        session,
        runtime=request.app.state.runtime,
        actor=caller,
        email=body.email,
        display_name=body.display_name,
        locale=body.locale,
        department_id=body.department_id,
        role_ids=body.role_ids,
        position_ids=body.position_ids,
    )
    return UserCreated(user=_read(person), invitation_link=link)


@router.post("/batch", status_code=204, dependencies=[WRITE])
async def batch_users(request: Request, session: Db, caller: Caller, body: Batch) -> None:
    """Do the same to several people: all of it, or nothing."""
    runtime: Runtime = request.app.state.runtime
    pictures = await service.batch(
        session, runtime=runtime, actor=caller, user_ids=body.ids, action=body.action
    )
    on_commit(session, forget_pictures(runtime, pictures))


@router.get("/{user_id}", dependencies=[READ])
async def get_user(session: Db, caller: Caller, user_id: UUID) -> UserRead:
    """One person."""
    return _read(await reading.get(session, caller=caller, user_id=user_id))


@router.patch("/{user_id}", dependencies=[WRITE])
async def update_user(session: Db, caller: Caller, user_id: UUID, body: UserUpdate) -> UserRead:
    """Change what is sent, and nothing else."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    return _read(await service.update(session, actor=caller, user_id=user_id, **changes))


@router.delete("/{user_id}", status_code=204, dependencies=[WRITE])
async def delete_user(request: Request, session: Db, caller: Caller, user_id: UUID) -> None:
    """Delete an account: what is personal is gone at once, for good."""
    kept = await service.delete(session, actor=caller, user_id=user_id)
    runtime: Runtime = request.app.state.runtime
    on_commit(session, forget_pictures(runtime, [kept] if kept else []))


@router.post("/{user_id}/disable", status_code=204, dependencies=[WRITE])
async def disable_user(
    session: Db, caller: Caller, user_id: UUID, body: Disable | None = None
) -> None:
    """Shut somebody out, from their next request on; their tokens stop, too."""
    reason = None if body is None else body.reason
    await service.disable(session, actor=caller, user_id=user_id, reason=reason)


@router.post("/{user_id}/enable", status_code=204, dependencies=[WRITE])
async def enable_user(session: Db, caller: Caller, user_id: UUID) -> None:
    """Let somebody in again."""
    await service.enable(session, actor=caller, user_id=user_id)


@router.post("/{user_id}/approve", status_code=204, dependencies=[WRITE])
async def approve_user(request: Request, session: Db, caller: Caller, user_id: UUID) -> None:
    """Let in who has signed up and waits."""
    await service.approve(session, runtime=request.app.state.runtime, actor=caller, user_id=user_id)


@router.post("/{user_id}/reset-factors", status_code=204, dependencies=[WRITE])
async def reset_factors(request: Request, session: Db, caller: Caller, user_id: UUID) -> None:
    """Take the second factors of somebody away who has lost them all; they are told."""
    await service.reset_factors(
        session, runtime=request.app.state.runtime, actor=caller, user_id=user_id
    )


@router.post("/{user_id}/sign-out", status_code=204, dependencies=[WRITE])
async def sign_out_user(session: Db, caller: Caller, user_id: UUID) -> None:
    """End all of somebody's sessions, at once."""
    await service.sign_out(session, actor=caller, user_id=user_id)


@router.put("/{user_id}/roles", dependencies=[WRITE])
async def put_roles(session: Db, caller: Caller, user_id: UUID, body: RolesPut) -> UserRead:
    """Have somebody hold exactly these roles, from their next request on."""
    return _read(
        await service.set_roles(session, actor=caller, user_id=user_id, role_ids=body.role_ids)
    )


@router.put("/{user_id}/positions", dependencies=[WRITE])
async def put_positions(session: Db, caller: Caller, user_id: UUID, body: PositionsPut) -> UserRead:
    """Have somebody hold exactly these positions."""
    return _read(
        await service.set_positions(
            session, actor=caller, user_id=user_id, position_ids=body.position_ids
        )
    )


@router.get("/{user_id}/sessions", dependencies=[READ])
async def list_user_sessions(
    request: Request, session: Db, caller: Caller, user_id: UUID
) -> list[DeviceRead]:
    """Where somebody is signed in, the last used first."""
    found = await service.sessions_of(
        session, runtime=request.app.state.runtime, caller=caller, user_id=user_id
    )
    return [DeviceRead(**shown(each, current=caller.session_id)) for each in found]


@router.delete("/{user_id}/sessions/{session_id}", status_code=204, dependencies=[WRITE])
async def end_user_session(session: Db, caller: Caller, user_id: UUID, session_id: UUID) -> None:
    """End one of somebody's sessions, at once."""
    await service.end_session(session, actor=caller, user_id=user_id, session_id=session_id)


def _read(person: Person) -> UserRead:
    user = person.user
    return UserRead(
        id=user.id,
        email=user.email,
        email_verified_at=user.email_verified_at,
        display_name=user.display_name,
        phone=user.phone,
        avatar=picture(user),
        locale=user.locale,
        department_id=user.department_id,
        status=user.status,
        status_reason=user.status_reason,
        has_password=user.password_hash is not None,
        roles=[RoleName.model_validate(role) for role in person.roles],
        positions=[PositionName.model_validate(position) for position in person.positions],
        created_at=user.created_at,
        updated_at=user.updated_at,
        last_seen_at=user.last_seen_at,
    )
