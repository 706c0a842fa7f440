"""The boot check: what must be so before Paifang serves."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.routing import Route

from paifang.checks import check, check_database, check_manifests, check_routes
from paifang.core.auth import public, require
from paifang.core.db import Database
from paifang.core.jobs import Run, job
from paifang.core.module import Menu, Module, Param
from paifang.core.runtime import ROLES, Runtime
from paifang.core.secrets import open_secrets
from paifang.core.settings import CoreSettings
from paifang.registry import MODULES


class Permission(StrEnum):
    THINGS_READ = "test.things:read"


class Stranger(StrEnum):
    OTHER = "other.things:read"


@dataclass(frozen=True)
class Happened:
    thing_id: str


@job("test.unlisted")
async def unlisted(run: Run, *, thing_id: str) -> None:
    """A job that no module lists."""


def _module(**fields: Any) -> Module:
    return Module(name="test", permissions=Permission, **fields)


def _router(*dependencies: Any, name: str = "things") -> APIRouter:
    router = APIRouter()

    @router.get(f"/{name}", name=name, dependencies=list(dependencies))
    async def things() -> None:
        return None

    return router


def _messages(*modules: Module) -> list[str]:
    return [f"{f.subject}: {f.message}" for f in check_routes(modules)]


def test_the_modules_of_this_version_pass() -> None:
    assert check_routes(MODULES) == []
    assert check_manifests(MODULES) == []


def test_a_route_without_a_declaration_is_found() -> None:
    router = _router()
    router.include_router(_router(require(Permission.THINGS_READ)), prefix="/nested")
    messages = _messages(
        _module(routers=(_router(name="open"), _router(require(Permission.THINGS_READ))))
    )
    assert messages == ["GET /api/v1/open: 0 access declarations where exactly one must stand"]


def test_two_declarations_on_one_route_are_found() -> None:
    module = _module(routers=(_router(public(), require(Permission.THINGS_READ)),))
    assert _messages(module) == [
        "GET /api/v1/things: 2 access declarations where exactly one must stand"
    ]


def test_a_route_that_cannot_declare_anything_is_found() -> None:
    router = _router(require(Permission.THINGS_READ))
    router.routes.append(Route("/raw", lambda _request: None))
    assert any("/raw: is not an API route" in m for m in _messages(_module(routers=(router,))))


def test_a_nested_router_is_found_because_its_routes_would_go_unseen() -> None:
    outer = _router(require(Permission.THINGS_READ))
    outer.include_router(_router(), prefix="/nested")
    assert len(_messages(_module(routers=(outer,)))) == 1


def test_a_permission_that_is_used_but_not_declared_is_found() -> None:
    routers = (
        _router(require(Stranger.OTHER), name="others"),
        _router(require(Permission.THINGS_READ)),
    )
    assert _messages(_module(routers=routers)) == [
        "other.things:read: is required by a route but no module declares it"
    ]


def test_a_permission_that_is_declared_but_not_used_is_found() -> None:
    assert _messages(_module(routers=(_router(public()),))) == [
        "test.things:read: is declared but no route requires it"
    ]


def test_a_menu_that_needs_an_unknown_permission_is_found() -> None:
    entry = Menu("test.things", path="/things", icon="box", needs=Stranger.OTHER)
    (finding,) = check_manifests([_module(menu=(entry,))])
    assert finding.subject == "menu test.things"


def _menu_messages(*menu: Menu) -> list[str]:
    found = check_manifests([_module(menu=menu)])
    return [f"{finding.subject}: {finding.message}" for finding in found]


READ = Permission.THINGS_READ


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Menu("a", path="/a"), "needs None, which no module declares"),
        (Menu("a", path="a", needs=READ), "is a page without a path"),
        (
            Menu("a", path="/a", needs=READ, parent="gone"),
            "is in gone, which is no directory of any module",
        ),
        (
            Menu("a", path="/a", needs=READ, parent="page"),
            "is in page, which is no directory of any module",
        ),
        (Menu("a", kind="button", needs=READ), "is a button without a page"),
        (
            Menu("a", kind="button", needs=READ, parent="folder"),
            "is in folder, which is no page of any module",
        ),
        (Menu("a", kind="directory", needs=READ), "is a directory with a permission"),
        (Menu("page", path="/b", needs=READ), "is there twice"),
    ],
)
def test_a_menu_entry_that_can_not_stand_there_is_found(entry: Menu, message: str) -> None:
    folder = Menu("folder", kind="directory")
    page = Menu("page", path="/page", needs=READ, parent="folder")
    button = Menu("button", kind="button", needs=READ, parent="page")
    assert _menu_messages(folder, page, button) == []
    assert _menu_messages(folder, page, button, entry) == [f"menu {entry.name}: {message}"]


def test_a_permission_of_members_that_the_module_lacks_is_found() -> None:
    (finding,) = check_manifests([_module(member_permissions=(Stranger.OTHER,))])
    assert finding.message == "is given to members by test, which lacks it"
    assert check_manifests([_module(member_permissions=(READ,))]) == []


def test_a_permission_that_two_modules_declare_is_found() -> None:
    (finding,) = check_manifests([_module(), Module(name="other", permissions=Permission)])
    assert finding.subject == "test.things:read"


def test_routes_that_answer_one_call_or_share_a_name_are_found() -> None:
    routers = (_router(require(READ)), _router(require(READ)))
    assert _messages(_module(routers=routers)) == [
        "GET /api/v1/things: is there twice",
        "operation root.things: is there twice",
    ]


def test_a_subscriber_that_is_no_job_of_a_module_is_found() -> None:
    (finding,) = check_manifests([_module(subscribers={Happened: (unlisted,)})])
    assert "test.unlisted" in finding.message
    listed = _module(subscribers={Happened: (unlisted,)}, jobs=(unlisted,))
    assert check_manifests([listed]) == []


def test_two_of_a_name_are_found() -> None:
    param = Param("test.limit", default=1)
    (finding,) = check_manifests([_module(params=(param, replace(param, default=2)))])
    assert finding.subject == "param test.limit"


@pytest.mark.parametrize(
    ("roles", "found"),
    [
        ({"gateway"}, set()),
        ({"worker"}, {"param test.limit"}),
        ({"console"}, {"param test.limit", "GET /api/v1/things", "test.things:read"}),
        (ROLES, {"param test.limit", "GET /api/v1/things", "test.things:read"}),
    ],
)
async def test_a_process_asserts_what_it_serves(
    settings: CoreSettings, db: Database, roles: set[str], found: set[str]
) -> None:
    param = Param("test.limit", default=1)
    wrong = _module(routers=(_router(),), params=(param, param))
    runtime = Runtime(
        settings=settings,
        db=db,
        secrets=open_secrets(settings),
        modules=(*MODULES, wrong),
        roles=frozenset(roles),
    )
    subjects = {f.subject for f in await check(runtime) if f.level == "error"}
    assert subjects - {"database"} == found


async def test_a_database_without_the_schema_is_found(
    settings: CoreSettings, empty_database_url: Any
) -> None:
    runtime = Runtime(
        settings=settings, db=Database(empty_database_url), secrets=open_secrets(settings)
    )
    (finding,) = await check_database(runtime)
    assert finding.level == "error"
    assert "paifang migrate" in finding.advice
    await runtime.db.close()
