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


def _router(*dependencies: Any) -> APIRouter:
    router = APIRouter()

    @router.get("/things", dependencies=list(dependencies))
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
    messages = _messages(_module(routers=(_router(), _router(require(Permission.THINGS_READ)))))
    assert messages == ["GET /api/v1/things: 0 access declarations where exactly one must stand"]


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
    routers = (_router(require(Stranger.OTHER)), _router(require(Permission.THINGS_READ)))
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
