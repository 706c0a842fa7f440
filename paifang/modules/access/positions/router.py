"""The API of positions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.fields import Search
from paifang.core.pagination import Page, Paging
from paifang.modules.access.fields import Status
from paifang.modules.access.permissions import AccessPermission
from paifang.modules.access.positions import service
from paifang.modules.access.positions.schemas import PositionCreate, PositionRead, PositionUpdate

router = APIRouter(prefix="/access/positions", tags=["positions"])
READ = require(AccessPermission.POSITIONS_READ)
WRITE = require(AccessPermission.POSITIONS_WRITE)


@router.get("", dependencies=[READ])
async def list_positions(
    session: Db,
    paging: Paging,
    status: Status | None = None,
    search: Annotated[Search | None, Query(description="Part of the code or name.")] = None,
) -> Page[PositionRead]:
    """Positions, in their order."""
    found = await service.list_page(session, paging=paging, status=status, search=search)
    return Page(
        items=[PositionRead.model_validate(position) for position in found.items],
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )


@router.post("", status_code=201, dependencies=[WRITE])
async def create_position(session: Db, caller: Caller, body: PositionCreate) -> PositionRead:
    """Make a position."""
    position = await service.create(
        session,
        actor=caller,
        code=body.code,
        name=body.name,
        description=body.description,
        status=body.status,
        sort=body.sort,
    )
    return PositionRead.model_validate(position)


@router.get("/{position_id}", dependencies=[READ])
async def get_position(session: Db, position_id: UUID) -> PositionRead:
    """One position."""
    return PositionRead.model_validate(await service.get(session, position_id=position_id))


@router.patch("/{position_id}", dependencies=[WRITE])
async def update_position(
    session: Db, caller: Caller, position_id: UUID, body: PositionUpdate
) -> PositionRead:
    """Change what is sent, and nothing else."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    position = await service.update(session, actor=caller, position_id=position_id, **changes)
    return PositionRead.model_validate(position)


@router.delete("/{position_id}", status_code=204, dependencies=[WRITE])
async def delete_position(session: Db, caller: Caller, position_id: UUID) -> None:
    """Delete a position that nobody has."""
    await service.delete(session, actor=caller, position_id=position_id)
