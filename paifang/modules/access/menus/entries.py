"""The menu as it is shown: what the modules bring, dressed as an administrator wants it.

Pure functions of the manifests and the stored rows.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from paifang.core.auth import Principal
from paifang.core.module import Menu, MenuKind, Module
from paifang.core.scope import OWN
from paifang.modules.access.menus.models import MenuEntry

TOP = ""
"""As a stored parent: at the top of the menu, wherever the module put the entry."""
MAX_DEPTH = 4


@dataclass(frozen=True)
class Entry:
    """An entry as it is shown."""

    name: str
    kind: str
    path: str
    icon: str
    needs: str | None
    parent: str | None
    sort: int
    hidden: bool = False
    titles: dict[str, str] | None = None
    """Instead of those that the pages have for its name."""
    default: Menu | None = None
    """What the module says; None for a link of the owner's own."""
    changed: bool = False


@dataclass
class Node:
    """An entry with those in it."""

    entry: Entry
    children: "list[Node]" = field(default_factory=list)


def entries(modules: Iterable[Module], rows: Iterable[MenuEntry]) -> list[Entry]:
    """Every entry, in the order of the manifests, then the owner's own."""
    stored = {row.name: row for row in rows}
    found = [_dressed(menu, stored.get(menu.name)) for module in modules for menu in module.menu]
    found += [_own(row) for row in stored.values() if row.kind != "override"]
    names = {entry.name for entry in found}
    # What stood in a directory that is gone is at the top.
    return [entry if entry.parent in names else replace(entry, parent=None) for entry in found]


def _dressed(menu: Menu, row: MenuEntry | None) -> Entry:
    entry = Entry(
        name=menu.name,
        kind=menu.kind,
        path=menu.path,
        icon=menu.icon,
        needs=None if menu.needs is None else menu.needs.value,
        parent=menu.parent,
        sort=menu.sort,
        default=menu,
    )
    if row is None:
        return entry
    return replace(
        entry,
        icon=entry.icon if row.icon is None else row.icon,
        parent=entry.parent if row.parent is None else row.parent or None,
        sort=entry.sort if row.sort is None else row.sort,
        hidden=row.hidden,
        titles=row.titles,
        changed=True,
    )


def _own(row: MenuEntry) -> Entry:
    return Entry(
        name=row.name,
        kind=row.kind,
        path=row.url or "",
        icon=row.icon or "",
        needs=row.needs,
        parent=row.parent or None,
        sort=row.sort or 0,
        hidden=row.hidden,
        titles=row.titles,
    )


def tree(found: Sequence[Entry], caller: Principal, common: Collection[str]) -> list[Node]:
    """What a caller sees: an entry that :func:`concerns` them, unless it or one above is hidden.

    A directory is there when something is in it, and all of it is when a page is: links accompany
    pages, and whoever has no page has no console.

    Args:
        found: Every entry.
        caller: Whoever looks.
        common: The permissions that everybody is given.
    """
    nodes = {
        entry.name: Node(entry)
        for entry in sorted(found, key=lambda entry: entry.sort)
        if not entry.hidden and concerns(entry, caller, common)
    }
    top: list[Node] = []
    for node in nodes.values():
        parent = node.entry.parent
        if parent is None:
            top.append(node)
        elif parent in nodes:
            nodes[parent].children.append(node)
    top = _filled(top)
    return top if _has_page(top) else []


def concerns(entry: Entry, caller: Principal, common: Collection[str]) -> bool:
    """Whether an entry is for a caller: they hold its permission, and about its subject something
    that not everybody does: a permission that is not in ``common``, or more rows than their own.

    The console is for those who look after something. What everybody does with what is their own
    has its place in the portal.
    """
    if entry.needs is None or caller.all_permissions:
        return True
    if not caller.may(entry.needs):
        return False
    subject, _, _ = entry.needs.partition(":")
    return any(
        permission not in common or not scope.within(OWN)
        for permission, scope in caller.grants.items()
        if permission.startswith(f"{subject}:")
    )


def _has_page(nodes: Iterable[Node]) -> bool:
    return any(node.entry.kind == MenuKind.PAGE or _has_page(node.children) for node in nodes)


def _filled(nodes: list[Node]) -> list[Node]:
    kept = []
    for node in nodes:
        node.children = _filled(node.children)
        if node.children or node.entry.kind != MenuKind.DIRECTORY:
            kept.append(node)
    return kept


def misplaced(found: Sequence[Entry], name: str, parent: str) -> str:
    """Why an entry can't stand in another; empty when it can."""
    by_name = {entry.name: entry for entry in found}
    above = by_name.get(parent)
    if above is None or above.kind != MenuKind.DIRECTORY:
        return f"there is no directory {parent}"
    depth = _height(found, name)
    while above is not None:
        depth += 1
        if above.name == name:
            return f"{name} can't be inside itself"
        if depth > MAX_DEPTH:
            return f"the menu has {MAX_DEPTH} levels at most"
        above = by_name.get(above.parent or "")
    return ""


def _height(found: Sequence[Entry], name: str, level: int = 1) -> int:
    if level > MAX_DEPTH:
        return level
    below = [_height(found, entry.name, level + 1) for entry in found if entry.parent == name]
    return max([level, *below])
