"""The menu's clothes, and the owner's own links. The only place that writes them."""

import re
from collections.abc import Iterable
from typing import Any, TypedDict, Unpack
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Principal
from paifang.core.changes import Check, apply_changes
from paifang.core.ids import uuid7
from paifang.core.module import MenuKind, Module
from paifang.modules.access.changed import changed
from paifang.modules.access.menus.entries import Entry, Node, entries, misplaced, tree
from paifang.modules.access.menus.errors import MenuMisplaced, MenuNotFound
from paifang.modules.access.menus.models import MenuEntry

SCHEMES = ("https", "http", "mailto")
"""Of a link. A browser would run the code in some others."""
LINK = "link."
"""What the names of the owner's own entries begin with."""


class MenuChanges(TypedDict, total=False):
    """What of an entry may be changed; None leaves it as the module says."""

    titles: dict[str, str] | None
    icon: str | None
    parent: str | None
    sort: int | None
    hidden: bool


class LinkChanges(MenuChanges, total=False):
    """What of a link may be changed."""

    url: str
    needs: str | None


async def menu_of(
    session: AsyncSession, *, caller: Principal, modules: Iterable[Module]
) -> list[Node]:
    """The menu that a caller sees. One statement."""
    modules = tuple(modules)
    common = {p.value for module in modules for p in module.member_permissions}
    return tree(await list_all(session, modules=modules), caller, common)


async def list_all(session: AsyncSession, *, modules: Iterable[Module]) -> list[Entry]:
    """Every entry, as it is shown to whoever may see it."""
    rows = await session.scalars(select(MenuEntry).order_by(MenuEntry.name))
    return entries(modules, rows)


async def override(
    session: AsyncSession,
    *,
    actor: Principal,
    modules: Iterable[Module],
    name: str,
    **changes: Unpack[MenuChanges],
) -> Entry:
    """Dress an entry of a module; what is left out is as the module says.

    Raises:
        MenuNotFound: no module brings it.
        Invalid, MenuMisplaced: it can't stand there.
    """
    modules = tuple(modules)
    found = await list_all(session, modules=modules)
    before = _default(found, name)
    parent = changes.get("parent")
    if parent is not None and before.kind == MenuKind.BUTTON:
        raise MenuMisplaced(f"{name} is a button and stays on its page.")
    _check_place(found, name, parent)
    row = await session.get(MenuEntry, name, with_for_update=True)
    if row is None:
        row = MenuEntry(name=name, kind="override")
        session.add(row)
    wanted = {field: changes.get(field) for field in ("titles", "icon", "parent", "sort")}
    made = apply_changes(row, wanted | {"hidden": changes.get("hidden", False)})
    await session.flush()
    await _changed(session, actor, "update", name, made)
    return _default(await list_all(session, modules=modules), name)


async def reset(
    session: AsyncSession, *, actor: Principal, modules: Iterable[Module], name: str
) -> None:
    """Have an entry be again as its module says. Raises :class:`MenuNotFound`."""
    _default(await list_all(session, modules=modules), name)
    row = await session.get(MenuEntry, name)
    if row is not None:
        await session.delete(row)
        await _changed(session, actor, "reset", name, {})


async def create_link(
    session: AsyncSession,
    *,
    actor: Principal,
    modules: Iterable[Module],
    kind: str,
    **changes: Unpack[LinkChanges],
) -> Entry:
    """Make an entry of the owner's own: a ``link``, or a ``directory`` without an address.

    Raises:
        Invalid: the address is not of a kind that links may have, or no module declares the
            permission.
        MenuMisplaced: it can't stand there.
    """
    modules = tuple(modules)
    name = f"{LINK}{uuid7().hex}"
    values: dict[str, Any] = {"parent": "", "url": "", **changes}
    _check_link(kind, values, modules)
    _check_place(await list_all(session, modules=modules), name, values["parent"])
    row = MenuEntry(name=name, kind=kind, **values)
    session.add(row)
    await session.flush()
    await _changed(session, actor, "create", name, values)
    return await _own(session, modules, name)


async def update_link(
    session: AsyncSession,
    *,
    actor: Principal,
    modules: Iterable[Module],
    link_id: UUID,
    **changes: Unpack[LinkChanges],
) -> Entry:
    """Change a link or directory of the owner's own.

    Raises:
        MenuNotFound: there is none of that id.
        Invalid, MenuMisplaced: see :func:`create_link`.
    """
    modules = tuple(modules)
    row = await _link(session, link_id)
    _check_link(row.kind, changes | {"url": changes.get("url", row.url)}, modules)
    _check_place(await list_all(session, modules=modules), row.name, changes.get("parent"))
    made = apply_changes(row, changes)
    if made:
        await session.flush()
        await _changed(session, actor, "update", row.name, made)
    return await _own(session, modules, row.name)


async def delete_link(session: AsyncSession, *, actor: Principal, link_id: UUID) -> None:
    """Delete an entry of the owner's own; what stood in it goes to the top.

    Raises :class:`MenuNotFound`.
    """
    row = await _link(session, link_id)
    await session.delete(row)
    await _changed(session, actor, "delete", row.name, {"url": row.url})


def check_url(url: str) -> str:
    """Why a link can't have this address; empty when it can."""
    if not url or re.search(r"[\s\x00-\x1f\x7f-\x9f\\]", url):
        return "write an address without spaces"
    if url.startswith("/"):
        return "begin a path of this site with one slash" if url.startswith("//") else ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "this is not an address"
    if parts.scheme.lower() not in SCHEMES:
        return f"use {', '.join(SCHEMES)}, or a path of this site that begins with a slash"
    if parts.scheme.lower() != "mailto" and not parts.hostname:
        return "this address names no host"
    return ""


def link_id(entry: Entry) -> UUID | None:
    """The id of an entry of the owner's own; None for a module's."""
    return None if entry.default is not None else UUID(entry.name.removeprefix(LINK))


def _default(found: Iterable[Entry], name: str) -> Entry:
    for entry in found:
        if entry.name == name and entry.default is not None:
            return entry
    raise MenuNotFound


async def _own(session: AsyncSession, modules: Iterable[Module], name: str) -> Entry:
    return next(e for e in await list_all(session, modules=modules) if e.name == name)


async def _link(session: AsyncSession, link_id: UUID) -> MenuEntry:
    row = await session.get(MenuEntry, f"{LINK}{link_id.hex}", with_for_update=True)
    if row is None:
        raise MenuNotFound
    return row


def _check_link(kind: str, values: Any, modules: Iterable[Module]) -> None:
    check = Check()
    url, needs = values.get("url") or "", values.get("needs")
    if kind == MenuKind.DIRECTORY and url:
        check.wrong("url", "a directory has no address")
    elif kind == MenuKind.LINK and (wrong := check_url(url)):
        check.wrong("url", wrong)
    declared = {p.value for m in modules if m.permissions is not None for p in m.permissions}
    if needs is not None and needs not in declared:
        check.wrong("needs", "no module declares this permission")
    check.done()


def _check_place(found: list[Entry], name: str, parent: str | None) -> None:
    if parent and (wrong := misplaced(found, name, parent)):
        raise MenuMisplaced(f"parent: {wrong}.")


async def _changed(
    session: AsyncSession, actor: Principal, verb: str, name: str, changes: dict[str, Any]
) -> None:
    await changed(
        session,
        actor=actor,
        action=f"menu.{verb}",
        subject_id=name,
        changes=changes,
        rights=False,
    )
