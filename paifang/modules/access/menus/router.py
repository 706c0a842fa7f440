"""The API of the menu."""

from uuid import UUID

from fastapi import APIRouter, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.module import MenuKind, Module
from paifang.modules.access.menus import service
from paifang.modules.access.menus.entries import Entry, Node
from paifang.modules.access.menus.schemas import (
    LinkCreate,
    LinkUpdate,
    MenuDefault,
    MenuNode,
    MenuOverride,
    MenuRead,
)
from paifang.modules.access.permissions import AccessPermission

router = APIRouter(prefix="/access", tags=["menus"])
READ = require(AccessPermission.MENUS_READ)
WRITE = require(AccessPermission.MENUS_WRITE)


def _modules(request: Request) -> tuple[Module, ...]:
    modules: tuple[Module, ...] = request.app.state.runtime.modules
    return modules


def _node(node: Node) -> MenuNode:
    entry = node.entry
    return MenuNode(
        name=entry.name,
        kind=MenuKind(entry.kind),
        path=entry.path,
        icon=entry.icon,
        titles=entry.titles,
        children=[_node(child) for child in node.children],
    )


def _read(entry: Entry) -> MenuRead:
    default = entry.default
    return MenuRead(
        name=entry.name,
        kind=MenuKind(entry.kind),
        path=entry.path,
        icon=entry.icon,
        needs=entry.needs,
        parent=entry.parent,
        sort=entry.sort,
        hidden=entry.hidden,
        titles=entry.titles,
        changed=entry.changed,
        link_id=service.link_id(entry),
        default=None if default is None else MenuDefault.model_validate(default),
    )


@router.get("/menu", dependencies=[require(AccessPermission.SELF)])
async def get_menu(request: Request, session: Db, caller: Caller) -> list[MenuNode]:
    """The caller's menu of the console: a tree of what they look after; empty for whoever holds
    no more than every member.
    """
    found = await service.menu_of(session, caller=caller, modules=_modules(request))
    return [_node(node) for node in found]


@router.get("/menus", dependencies=[READ])
async def list_menus(request: Request, session: Db) -> list[MenuRead]:
    """Every entry of the menu, for whoever dresses it."""
    return [_read(e) for e in await service.list_all(session, modules=_modules(request))]


@router.post("/menus/links", status_code=201, dependencies=[WRITE])
async def create_menu_link(
    request: Request, session: Db, caller: Caller, body: LinkCreate
) -> MenuRead:
    """Make a link, or a directory to put entries into."""
    entry = await service.create_link(
        session,
        actor=caller,
        modules=_modules(request),
        kind=body.kind,
        url=body.url,
        titles={str(locale): title for locale, title in body.titles.items()},
        icon=body.icon,
        parent=body.parent,
        needs=body.needs,
        sort=body.sort,
        hidden=body.hidden,
    )
    return _read(entry)


@router.patch("/menus/links/{link_id}", dependencies=[WRITE])
async def update_menu_link(
    request: Request, session: Db, caller: Caller, link_id: UUID, body: LinkUpdate
) -> MenuRead:
    """Change what is sent, and nothing else."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    entry = await service.update_link(
        session, actor=caller, modules=_modules(request), link_id=link_id, **changes
    )
    return _read(entry)


@router.delete("/menus/links/{link_id}", status_code=204, dependencies=[WRITE])
async def delete_menu_link(session: Db, caller: Caller, link_id: UUID) -> None:
    """Delete it; what stood in a directory goes to the top of the menu."""
    await service.delete_link(session, actor=caller, link_id=link_id)


@router.put("/menus/{name}", dependencies=[WRITE])
async def override_menu(
    request: Request, session: Db, caller: Caller, name: str, body: MenuOverride
) -> MenuRead:
    """Dress an entry of a module. Who sees it is decided by its permission all the same."""
    entry = await service.override(
        session,
        actor=caller,
        modules=_modules(request),
        name=name,
        titles=None
        if body.titles is None
        else {str(locale): title for locale, title in body.titles.items()},
        icon=body.icon,
        parent=body.parent,
        sort=body.sort,
        hidden=body.hidden,
    )
    return _read(entry)


@router.delete("/menus/{name}", status_code=204, dependencies=[WRITE])
async def reset_menu(request: Request, session: Db, caller: Caller, name: str) -> None:
    """Have it be again as its module says."""
    await service.reset(session, actor=caller, modules=_modules(request), name=name)
