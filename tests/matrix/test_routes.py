"""Every route as every kind of caller. There is no list of exceptions."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from matrix.walk import EXAMPLES, Example, Walked, World, every_route, load_examples
from paifang.app import open_runtime
from paifang.core.settings import CoreSettings
from paifang.registry import MODULES

load_examples()
ROUTES = every_route()
GUARDED = [route for route in ROUTES if route.permission is not None]
SCOPED = {word for module in MODULES for word in module.scoped}

OF_MEMBERS = {p.value for module in MODULES for p in module.member_permissions}

every = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def ids(route: Walked) -> str:
    return route.id


@pytest.fixture
async def world(settings: CoreSettings) -> AsyncIterator[World]:
    runtime = open_runtime(settings)
    yield await World(runtime).found()
    await runtime.db.close()


def is_let_in(answer: httpx.Response) -> bool:
    """Neither refused nor failed; what is wrong with the call, or with an upstream, may be told."""
    return answer.status_code not in {401, 403, 404, 405, 500}


def is_missing(answer: httpx.Response) -> bool:
    """A 404, or how an API whose every answer is an envelope says the same."""
    if answer.headers["content-type"] != "application/json" or answer.status_code != 200:
        return answer.status_code == 404
    return isinstance(answer.json(), dict) and answer.json().get("success") is False


def scoped_word(route: Walked) -> str | None:
    """The word for the scoped row that a route's path names."""
    named = re.findall(r"{(\w+)_id}", route.template)
    return next((word for word in named if word in SCOPED), None)


def lists_scoped(route: Walked) -> bool:
    """Whether a route lists what another route shows one of, by the id of a scoped row."""
    one = re.compile(re.escape(route.template) + r"/{(\w+)_id}")
    return route.method == "GET" and any(
        other.method == "GET" and (found := one.fullmatch(other.template)) and found[1] in SCOPED
        for other in ROUTES
    )


@every
@pytest.mark.parametrize("route", [r for r in ROUTES if r.permission is None], ids=ids)
async def test_a_public_route_lets_everybody_in(route: Walked, world: World) -> None:
    for caller in (None, world.member, world.administrator):
        headers = None if caller is None else await caller()
        answer = await world.call(route, await world.example_of(route), headers)
        assert answer.status_code not in {401, 403}, answer.text
        assert answer.status_code != 500, answer.text


@every
@pytest.mark.parametrize("route", GUARDED, ids=ids)
async def test_who_does_not_hold_the_permission_is_kept_out(route: Walked, world: World) -> None:
    permission = route.permission or ""
    made = await world.example_of(route)

    async def status(headers: dict[str, str] | None) -> int:
        answer = await world.call(route, made, headers)
        assert "json" in answer.headers["content-type"], answer.text
        return answer.status_code

    assert await status(None) == 401
    assert await status({"Authorization": "Bearer pf_no_such_key"}) == 401
    assert await status(await world.holder(permission, status="disabled")) == 401
    assert await status(await world.holder(permission, status="pending")) == 401
    if permission not in OF_MEMBERS:
        assert await status(await world.member()) == 403
    await world.take_from_members(permission)
    assert await status(await world.member()) == 403
    assert await status(await world.all_but(permission)) == 403


@every
@pytest.mark.parametrize("route", GUARDED, ids=ids)
async def test_who_holds_it_is_let_in(route: Walked, world: World) -> None:
    key = {"Authorization": f"Bearer {world.runtime.secrets.admin_key}"}
    callers = [await world.holder(route.permission or ""), await world.administrator(), key]
    for headers in callers:
        made = await world.example_of(route)
        answer = await world.call(route, made, headers)
        assert is_let_in(answer), (answer.status_code, answer.text)
        assert made.shows is None or made.shows in answer.text


@every
@pytest.mark.parametrize("route", [r for r in GUARDED if r.permission in OF_MEMBERS], ids=ids)
async def test_members_are_let_in_where_the_manifest_says_so(route: Walked, world: World) -> None:
    made = await world.example_of(route)
    answer = await world.call(route, made, await world.member())
    assert is_missing(answer) if made.hidden else is_let_in(answer), answer.text


@every
@pytest.mark.parametrize("route", GUARDED, ids=ids)
async def test_what_is_outside_of_the_scope_is_not_there(route: Walked, world: World) -> None:
    made = await world.example_of(route)
    for scope in ("self", "department", "department_and_below"):
        answer = await world.call(
            route, made, await world.holder(route.permission or "", scope=scope)
        )
        assert answer.status_code != 500, answer.text
        if made.hidden:
            assert is_missing(answer), answer.text
        if made.shows is not None:
            assert answer.status_code == 200, answer.text
            assert made.shows not in answer.text


@every
@pytest.mark.parametrize(
    "route", [r for r in GUARDED if scoped_word(r) or lists_scoped(r)], ids=ids
)
async def test_an_example_of_scoped_rows_says_so(route: Walked, world: World) -> None:
    made = await world.example_of(route)
    if scoped_word(route):
        assert made.hidden, "make a row of the stranger's, and say hidden=True"
    else:
        assert made.shows, "make a row of the stranger's, and say what shows it"


def test_every_example_is_of_a_route() -> None:
    assert set(EXAMPLES) - {route.operation for route in ROUTES} == set()


@every
async def test_a_route_that_nobody_gave_an_example_fails_the_walk(world: World) -> None:
    new = Walked("GET", "/api/v1/new/{new_id}", "new.get_new", "new:read", needs_example=True)
    with pytest.raises(AssertionError, match="register one for"):
        await world.example_of(new)
    assert (
        await world.example_of(
            Walked("GET", "/api/v1/new", "new.list_new", "new:read", needs_example=False)
        )
        == Example()
    )
