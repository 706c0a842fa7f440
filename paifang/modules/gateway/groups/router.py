"""The API of groups."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.pagination import Page, Paging
from paifang.modules.gateway.fields import Mine, Search
from paifang.modules.gateway.groups import service
from paifang.modules.gateway.groups.errors import PersonalGroup
from paifang.modules.gateway.groups.schemas import (
    GroupCreate,
    GroupRead,
    GroupUpdate,
    Kind,
    Status,
)
from paifang.modules.gateway.groups.service import GroupView
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.settings import GatewaySettings

router = APIRouter(prefix="/gateway/groups", tags=["groups"])
READ = require(GatewayPermission.GROUPS_READ)
WRITE = require(GatewayPermission.GROUPS_WRITE)
OWN = require(GatewayPermission.TOKENS_WRITE)
"""For who may make tokens: they need a group to make them in."""


def _read(view: GroupView) -> GroupRead:
    beside = {"role": view.role, "members": view.members, "owner": view.owner}
    rest = (name for name in GroupRead.model_fields if name not in beside)
    shown = {name: getattr(view.group, name) for name in rest}
    shown["name"] = view.group.name or view.group.id
    return GroupRead(**beside, **shown)


@router.get("", dependencies=[READ])
async def list_groups(
    *,
    session: Db,
    caller: Caller,
    paging: Paging,
    status: Status | None = None,
    kind: Kind | None = None,
    search: Annotated[
        Search | None,
        Query(description="Part of the id or of the name."),
    ] = None,
    mine: Mine = False,
) -> Page[GroupRead]:
    """The groups that the caller is in or has in their scope, the newest first."""
    found = await service.list_page(
        session,
        caller=caller.only_mine(mine),
        paging=paging,
        status=status,
        kind=kind,
        search=search,
    )
    return Page(
        items=[_read(view) for view in found.items],
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
        name=body.name,
        kind=body.kind,
        owner_id=body.owner_id,
        models=body.models,
        quota=body.quota,
        status=body.status,
        unpriced=body.unpriced or settings.unpriced,
        rpm=body.rpm,
        tpm=body.tpm,
        concurrency=body.concurrency,
    )
    return _read(await service.view(session, caller=caller, group_id=group.id))


@router.put("/personal", dependencies=[OWN])
async def ensure_personal_group(session: Db, caller: Caller) -> GroupRead:
    """The caller's personal group, made when it is first needed."""
    if caller.user_id is None:
        raise PersonalGroup("Only people have personal groups; this is a key.")
    group = await service.personal_group(session, user_id=caller.user_id, actor=caller)
    return _read(await service.view(session, caller=caller, group_id=group.id))


@router.get("/{group_id}", dependencies=[READ])
async def get_group(session: Db, caller: Caller, group_id: str) -> GroupRead:
    """One group."""
    return _read(await service.view(session, caller=caller, group_id=group_id))


@router.patch("/{group_id}", dependencies=[WRITE])
async def update_group(session: Db, caller: Caller, group_id: str, body: GroupUpdate) -> GroupRead:
    """Change what is sent, and nothing else: what a group may call and spend is for those who
    run Paifang. Its owners change its name at `/gateway/teams`.
    """
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    await service.update(session, actor=caller, group_id=group_id, **changes)
    return _read(await service.view(session, caller=caller, group_id=group_id))


@router.delete("/{group_id}", status_code=204, dependencies=[WRITE])
async def delete_group(session: Db, caller: Caller, group_id: str) -> None:
    """Delete a group with its tokens, which stop working at once; its logs stay."""
    await service.delete(session, actor=caller, group_id=group_id)
