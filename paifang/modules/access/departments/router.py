"""The API of departments."""

from uuid import UUID

from fastapi import APIRouter

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.modules.access.departments import service
from paifang.modules.access.departments.schemas import (
    DepartmentCreate,
    DepartmentMove,
    DepartmentNode,
    DepartmentRead,
    DepartmentUpdate,
)
from paifang.modules.access.permissions import AccessPermission

router = APIRouter(prefix="/access/departments", tags=["departments"])
READ = require(AccessPermission.DEPARTMENTS_READ)
WRITE = require(AccessPermission.DEPARTMENTS_WRITE)


@router.get("", dependencies=[READ])
async def list_departments(session: Db, caller: Caller) -> list[DepartmentNode]:
    """The tree, or those parts of it that the caller may see."""
    nodes: dict[UUID, DepartmentNode] = {}
    roots: list[DepartmentNode] = []
    for department, people in await service.tree(session, caller=caller):
        read = DepartmentRead.model_validate(department)
        node = DepartmentNode(**read.model_dump(), people=people, children=[])
        nodes[node.id] = node
        above = nodes.get(node.parent_id) if node.parent_id else None
        (roots if above is None else above.children).append(node)
    return roots


@router.post("", status_code=201, dependencies=[WRITE])
async def create_department(session: Db, caller: Caller, body: DepartmentCreate) -> DepartmentRead:
    """Make a department."""
    department = await service.create(
        session,
        actor=caller,
        name=body.name,
        parent_id=body.parent_id,
        status=body.status,
        sort=body.sort,
    )
    return DepartmentRead.model_validate(department)


@router.get("/{department_id}", dependencies=[READ])
async def get_department(session: Db, caller: Caller, department_id: UUID) -> DepartmentRead:
    """One department."""
    found = await service.get(session, caller=caller, department_id=department_id)
    return DepartmentRead.model_validate(found)


@router.patch("/{department_id}", dependencies=[WRITE])
async def update_department(
    session: Db, caller: Caller, department_id: UUID, body: DepartmentUpdate
) -> DepartmentRead:
    """Change what is sent, and nothing else."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    department = await service.update_department(
        session, actor=caller, department_id=department_id, **changes
    )
    return DepartmentRead.model_validate(department)


@router.post("/{department_id}/move", dependencies=[WRITE])
async def move_department(
    session: Db, caller: Caller, department_id: UUID, body: DepartmentMove
) -> DepartmentRead:
    """Put it, with all below it, somewhere else in the tree."""
    department = await service.move(
        session, actor=caller, department_id=department_id, parent_id=body.parent_id
    )
    return DepartmentRead.model_validate(department)


@router.delete("/{department_id}", status_code=204, dependencies=[WRITE])
async def delete_department(session: Db, caller: Caller, department_id: UUID) -> None:
    """Delete a department without people, departments below it and roles that name it."""
    await service.delete(session, actor=caller, department_id=department_id)
