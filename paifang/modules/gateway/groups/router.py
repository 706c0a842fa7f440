"""The API of groups."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.pagination import Page, Paging
from paifang.modules.gateway.fields import Search
from paifang.modules.gateway.groups import service
from paifang.modules.gateway.groups.schemas import GroupCreate, GroupRead, GroupUpdate, Status
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.settings import GatewaySettings

router = APIRouter(prefix="/gateway/groups", tags=["groups"])
READ = require(GatewayPermission.GROUPS_READ)
WRITE = require(GatewayPermission.GROUPS_WRITE)


@router.get("", dependencies=[READ])
async def list_groups(
    session: Db,
    paging: Paging,
    status: Status | None = None,
    search: Annotated[
        Search | None,
        Query(description="Part of the id."),
    ] = None,
) -> Page[GroupRead]:
    """Groups, the newest first."""
    found = await service.list_page(session, paging=paging, status=status, search=search)
    return Page(
        items=[GroupRead.model_validate(group) for group in found.items],
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )


@router.post("", status_code=201, dependencies=[WRITE])
async def create_group(
    request: Request, session: Db, caller: Caller, body: GroupCreate
) -> GroupRead:
    """Make a group."""
    settings = request.app.state.runtime.settings.area(GatewaySettings)
    group = await service.create(
        session,
        actor=caller,
        group_id=body.id,
        status=body.status,
        unpriced=body.unpriced or settings.unpriced,
        rpm=body.rpm,
        tpm=body.tpm,
        concurrency=body.concurrency,
    )
    return GroupRead.model_validate(group)


@router.get("/{group_id}", dependencies=[READ])
async def get_group(session: Db, group_id: str) -> GroupRead:
    """One group."""
    return GroupRead.model_validate(await service.get(session, group_id=group_id))


@router.patch("/{group_id}", dependencies=[WRITE])
async def update_group(session: Db, caller: Caller, group_id: str, body: GroupUpdate) -> GroupRead:
    """Change what is sent, and nothing else."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    group = await service.update(session, actor=caller, group_id=group_id, **changes)
    return GroupRead.model_validate(group)


@router.delete("/{group_id}", status_code=204, dependencies=[WRITE])
async def delete_group(session: Db, caller: Caller, group_id: str) -> None:
    """Delete a group with its tokens, which stop working at once; its logs stay."""
    await service.delete(session, actor=caller, group_id=group_id)
