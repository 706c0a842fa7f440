"""The menu: what the modules bring, what an administrator makes of it, and what each sees."""

from typing import Any

import httpx
import pytest

from modules.access.people import AsPerson, People, wrong_fields
from paifang.core.auth import Principal
from paifang.core.module import Menu, Module
from paifang.core.scope import OWN
from paifang.modules.access.menus.entries import entries, tree
from paifang.modules.access.menus.models import MenuEntry
from paifang.modules.access.menus.service import check_url
from paifang.modules.access.permissions import AccessPermission

TITLES = {"en": "Docs", "zh-TW": "文件"}


def shown(nodes: list[dict[str, Any]]) -> Any:
    return {node["name"]: shown(node["children"]) for node in nodes}


async def menu(api: httpx.AsyncClient) -> Any:
    answer = await api.get("/menu")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def entry(api: httpx.AsyncClient, name: str) -> dict[str, Any]:
    (found,) = [e for e in (await api.get("/menus")).json() if e["name"] == name]
    return found  # type: ignore[no-any-return]  # JSON


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_each_sees_what_they_hold_the_permission_for(
    api: httpx.AsyncClient, people: People, as_person: AsPerson
) -> None:
    assert set(shown(await menu(api))["people"]) >= {"access.roles", "access.departments"}
    ada = await as_person(await people.person("ada"))
    assert await menu(ada) == []
    role = await people.role("reader", AccessPermission.ROLES_READ)
    bob = await as_person(await people.person("bob", role))
    assert shown(await menu(bob)) == {"people": {"access.roles": {}}}


@pytest.mark.parametrize(
    ("permissions", "scope", "pages"),
    [
        (("gateway.tokens:read", "gateway.logs:read"), "self", set()),
        (("gateway.tokens:read", "gateway.logs:read"), "all", {"gateway.tokens", "gateway.logs"}),
        (("gateway.tokens:read",), "department", {"gateway.tokens"}),
        (("gateway.prices:read",), "self", set()),
        (("gateway.prices:write",), "self", {"gateway.models"}),
        (("gateway.channels:read",), "self", {"gateway.channels"}),
    ],
)
@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_what_everybody_may_do_with_their_own_is_no_page_of_the_console(
    people: People,
    as_person: AsPerson,
    permissions: tuple[str, ...],
    scope: str,
    pages: set[str],
) -> None:
    department = await people.department("east")
    role = await people.role("keeper", *permissions, scope=scope)
    person = await as_person(await people.person("bob", role, department=department))
    assert set(shown(await menu(person)).get("gateway", {})) == pages


async def test_an_entry_is_dressed_and_undressed(api: httpx.AsyncClient) -> None:
    before = await entry(api, "access.roles")
    assert (before["changed"], before["link_id"]) == (False, None)
    made = await api.put(
        "/menus/access.roles",
        json={"titles": {"en": "Rights"}, "icon": "key", "sort": -5, "parent": ""},
    )
    assert made.status_code == 200, made.text
    changed = await entry(api, "access.roles")
    assert changed == made.json()
    assert (changed["titles"], changed["icon"], changed["parent"]) == (
        {"en": "Rights"},
        "key",
        None,
    )
    assert changed["default"] == {k: before[k] for k in ("parent", "icon", "sort")}
    assert changed["needs"] == before["needs"]
    first = (await menu(api))[0]
    assert (first["name"], first["titles"]) == ("access.roles", {"en": "Rights"})
    await api.put("/menus/access.roles", json={"hidden": True})
    assert "access.roles" not in str(await menu(api))
    for _ in range(2):
        assert (await api.delete("/menus/access.roles")).status_code == 204
    assert await entry(api, "access.roles") == before


async def test_own_links_and_directories_hold_entries(
    api: httpx.AsyncClient, people: People, as_person: AsPerson
) -> None:
    answer = await api.post("/menus/links", json={"kind": "directory", "titles": {"en": "More"}})
    folder = answer.json()
    assert "link." not in str(await menu(api)), "an empty directory is not shown"
    link = (
        await api.post(
            "/menus/links",
            json={
                "titles": TITLES,
                "url": "https://example.org/a",
                "parent": folder["name"],
                "needs": "access.roles:read",
            },
        )
    ).json()
    assert shown(await menu(api))[folder["name"]] == {link["name"]: {}}
    reader = await people.role("reader", AccessPermission.POSITIONS_READ)
    ada = await as_person(await people.person("ada", reader))
    member = await as_person(await people.person("bob"))
    assert folder["name"] not in shown(await menu(ada))
    path = f"/menus/links/{link['link_id']}"
    changed = (await api.patch(path, json={"needs": None, "url": "/docs"})).json()
    assert (changed["needs"], changed["path"], changed["titles"]) == (None, "/docs", TITLES)
    assert shown(await menu(ada))[folder["name"]] == {link["name"]: {}}
    assert await menu(member) == [], "links accompany pages"
    await api.put("/menus/access.roles", json={"parent": folder["name"]})
    assert (await api.delete(f"/menus/links/{folder['link_id']}")).status_code == 204
    assert (await entry(api, "access.roles"))["parent"] is None
    assert link["name"] in shown(await menu(ada))
    assert (await api.delete(path)).status_code == 204
    assert refused(await api.delete(path)) == (404, "menu_not_found")


async def test_what_can_not_stand_there_is_refused(api: httpx.AsyncClient) -> None:
    def directory(parent: str = "") -> dict[str, Any]:
        return {"kind": "directory", "titles": {"en": "D"}, "parent": parent}

    chain = [(await api.post("/menus/links", json=directory())).json()]
    for _ in range(3):
        chain.append((await api.post("/menus/links", json=directory(chain[-1]["name"]))).json())
    misplaced = (409, "menu_misplaced")
    assert refused(await api.post("/menus/links", json=directory(chain[-1]["name"]))) == misplaced
    path = f"/menus/links/{chain[0]['link_id']}"
    for parent in (chain[0]["name"], chain[2]["name"], "access.roles", "nothing"):
        assert refused(await api.patch(path, json={"parent": parent})) == misplaced
    put = {"parent": "access.departments"}
    assert refused(await api.put("/menus/access.roles", json=put)) == misplaced
    assert refused(await api.put("/menus/no.such", json={})) == (404, "menu_not_found")
    assert refused(await api.put(f"/menus/{chain[0]['name']}", json={})) == (404, "menu_not_found")
    assert refused(await api.delete("/menus/no.such")) == (404, "menu_not_found")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_wrong_values_are_refused_by_name(api: httpx.AsyncClient) -> None:
    async def wrong(**body: Any) -> list[Any]:
        body = {"titles": TITLES, "url": "https://example.org", **body}
        return wrong_fields(await api.post("/menus/links", json=body))

    assert await wrong(url="javascript:alert(1)") == ["url"]
    assert await wrong(url="") == ["url"]
    assert await wrong(kind="directory") == ["url"]
    assert await wrong(needs="no.such:thing") == ["needs"]
    assert await wrong(icon="<svg>") == ["icon"]
    assert len(await wrong(titles={})) == 1
    assert len(await wrong(titles={"fr": "Docs"})) >= 1


@pytest.mark.parametrize(
    "url", ["https://a.org/x?y#z", "http://10.0.0.1:8000", "mailto:a@b.org", "/docs", "/", "/a//b"]
)
def test_an_address_that_a_link_may_have(url: str) -> None:
    assert check_url(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\tscript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:",
        "https://",
        "example.org",
        "http://[::1",
        "",
    ],
)
def test_an_address_that_a_link_may_not_have(url: str) -> None:
    assert check_url(url) != ""


def test_hidden_or_forbidden_above_hides_below_and_a_lost_directory_is_the_top() -> None:
    read = AccessPermission.ROLES_READ
    module = Module(
        name="x",
        menu=(
            Menu("folder", kind="directory"),
            Menu("page", path="/p", needs=read, parent="folder"),
            Menu("button", kind="button", needs=AccessPermission.SELF, parent="page"),
        ),
    )

    def seen(*rows: MenuEntry, grants: tuple[str, ...] = (read, AccessPermission.SELF)) -> str:
        caller = Principal("a", "A", grants=dict.fromkeys(grants, OWN))

        def names(nodes: Any) -> str:
            return ",".join(f"{n.entry.name}({names(n.children)})" for n in nodes)

        return names(tree(entries([module], rows), caller, ()))

    def row(name: str, **values: Any) -> MenuEntry:
        return MenuEntry(name=name, **{"kind": "override", "hidden": False} | values)

    assert seen() == "folder(page(button()))"
    assert seen(grants=(AccessPermission.SELF,)) == ""
    assert seen(row("folder", hidden=True)) == ""
    assert seen(row("page", hidden=True)) == ""
    assert seen(row("page", parent="gone")) == "page(button())"
    assert seen(row("gone.entry")) == "folder(page(button()))"
