"""The API of roles."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.fields import Search
from paifang.core.module import Module
from paifang.core.pagination import Page, Paging
from paifang.modules.access.fields import Status
from paifang.modules.access.permissions import AccessPermission
from paifang.modules.access.roles import service
from paifang.modules.access.roles.models import DataScope
from paifang.modules.access.roles.schemas import (
    HolderRead,
    ModulePermissions,
    PermissionRead,
    RoleCreate,
    RolePermissionsUpdate,
    RoleRead,
    RoleUpdate,
)
from paifang.modules.access.roles.service import RoleDetail

router = APIRouter(prefix="/access/roles", tags=["roles"])
permissions_router = APIRouter(prefix="/access/permissions", tags=["roles"])
READ = require(AccessPermission.ROLES_READ)
WRITE = require(AccessPermission.ROLES_WRITE)


def _modules(request: Request) -> tuple[Module, ...]:
    modules: tuple[Module, ...] = request.app.state.runtime.modules
    return modules


def _read(detail: RoleDetail) -> RoleRead:
    role = detail.role
    return RoleRead(
        id=role.id,
        code=role.code,
        name=role.name,
        description=role.description,
        status="enabled" if role.status == "enabled" else "disabled",
        data_scope=DataScope(role.data_scope),
        built_in=role.built_in,
        sort=role.sort,
        created_at=role.created_at,
        updated_at=role.updated_at,
        permissions=detail.permissions,
        department_ids=detail.department_ids,
        people=detail.people,
    )


@permissions_router.get("", dependencies=[READ])
async def list_permissions(request: Request) -> list[ModulePermissions]:
    """Every permission that there is, by module."""
    return [
        ModulePermissions(
            module=module.name,
            permissions=[
                PermissionRead(permission=p.value, member=p in module.member_permissions)
                for p in module.permissions
            ],
        )
        for module in _modules(request)
        if module.permissions is not None
    ]


@router.get("", dependencies=[READ])
async def list_roles(
    request: Request,
    session: Db,
    paging: Paging,
    status: Status | None = None,
    search: Annotated[Search | None, Query(description="Part of the code or name.")] = None,
) -> Page[RoleRead]:
    """Roles: those that are built in, then the others in their order."""
    found = await service.list_page(
        session, modules=_modules(request), paging=paging, status=status, search=search
    )
    return Page(
        items=[_read(detail) for detail in found.items],
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )


@router.post("", status_code=201, dependencies=[WRITE])
async def create_role(request: Request, session: Db, caller: Caller, body: RoleCreate) -> RoleRead:
    """Make a role. It can't grant more than its maker holds."""
    detail = await service.create(
        session,
        actor=caller,
        modules=_modules(request),
        code=body.code,
        name=body.name,
        description=body.description,
        status=body.status,
        data_scope=body.data_scope,
        department_ids=body.department_ids,
        permissions=body.permissions,
        sort=body.sort,
    )
    return _read(detail)


@router.get("/{role_id}", dependencies=[READ])
async def get_role(request: Request, session: Db, role_id: UUID) -> RoleRead:
    """One role."""
    return _read(await service.get(session, modules=_modules(request), role_id=role_id))


@router.patch("/{role_id}", dependencies=[WRITE])
async def update_role(
    request: Request, session: Db, caller: Caller, role_id: UUID, body: RoleUpdate
) -> RoleRead:
    """Change what is sent, and nothing else."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    detail = await service.update(
        session, actor=caller, modules=_modules(request), role_id=role_id, **changes
    )
    return _read(detail)


@router.put("/{role_id}/permissions", dependencies=[WRITE])
async def set_role_permissions(
    request: Request, session: Db, caller: Caller, role_id: UUID, body: RolePermissionsUpdate
) -> RoleRead:
    """Have it grant exactly these permissions, from the next request on."""
    detail = await service.set_permissions(
        session,
        actor=caller,
        modules=_modules(request),
        role_id=role_id,
        permissions=body.permissions,
    )
    return _read(detail)


@router.delete("/{role_id}", status_code=204, dependencies=[WRITE])
async def delete_role(request: Request, session: Db, caller: Caller, role_id: UUID) -> None:
    """Delete a role that nobody holds."""
    await service.delete(session, actor=caller, modules=_modules(request), role_id=role_id)


@router.get("/{role_id}/people", dependencies=[READ])
async def list_role_people(
    session: Db, caller: Caller, paging: Paging, role_id: UUID
) -> Page[HolderRead]:
    """Who holds it, of those the caller may see."""
    found = await service.holders_page(session, caller=caller, role_id=role_id, paging=paging)
    return Page(
        items=[HolderRead.model_validate(holder) for holder in found.items],
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )
