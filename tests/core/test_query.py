"""Parameters of a URL that a route does not know are refused by their name."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi.routing import APIRoute

from conftest import ADMIN_KEY
from doubles.api import api_of
from paifang.api import create_api, routers
from paifang.app import open_runtime
from paifang.core.auth import declared_access
from paifang.core.runtime import Runtime
from paifang.core.settings import CoreSettings

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

API = "/api/v1"


@pytest.fixture
async def runtime(settings: CoreSettings) -> AsyncIterator[Runtime]:
    found = open_runtime(settings)
    yield found
    await found.db.close()


@pytest.fixture
async def client(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    api = api_of(runtime)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api),
        base_url="http://paifang.test",
        headers={"authorization": f"Bearer {ADMIN_KEY}"},
    ) as found:
        yield found


def routes() -> list[tuple[str, str]]:
    """Method and path of every route below /api/v1 that wants a permission."""
    return [
        (method, re.sub(r"\{[^}]+\}", "0198c2a4-0000-7000-8000-000000000000", prefix + route.path))
        for prefix, router in routers()
        if prefix == API
        for route in router.routes
        if isinstance(route, APIRoute) and declared_access(route) != [None]
        for method in route.methods or ()
    ]


async def test_every_route_refuses_a_parameter_it_does_not_know(
    client: httpx.AsyncClient,
) -> None:
    found = routes()
    assert len(found) > 20
    for method, path in found:
        answer = await client.request(method, path, params={"colour": "red"})
        assert answer.status_code == 422, (method, path, answer.text)
        assert [error["field"] for error in answer.json()["errors"]] == ["colour"], (method, path)


async def test_the_refusal_names_the_parameter_and_those_there_are(
    client: httpx.AsyncClient,
) -> None:
    url = f"{API}/gateway/channels?page=1&Status=enabled&serach=x&page_size=5&status=enabled"
    answer = await client.get(url)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.headers["content-type"] == "application/problem+json"
    known = "use model, page, page_size, provider, search, sort, status"
    assert answer.json()["errors"] == [
        {"field": name, "in": "query", "message": f"there is no such parameter; {known}"}
        for name in ("Status", "serach")
    ]
    assert answer.json()["detail"].startswith("Status: there is no such parameter")
    none = await client.get(f"{API}/gateway/providers?page=1")
    assert none.json()["errors"][0]["message"] == (
        "there is no such parameter; this route takes none"
    )


async def test_a_wrong_value_is_told_with_its_kind_and_bounds_and_never_the_value(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get(f"{API}/gateway/channels", params={"page_size": "74185"})
    assert answer.status_code == 422
    (wrong,) = answer.json()["errors"]
    assert (wrong["field"], wrong["in"]) == ("page_size", "query")
    assert (wrong["code"], wrong["bounds"]) == ("less_than_equal", {"le": "100"})
    assert "74185" not in answer.text
    answer = await client.post(f"{API}/gateway/groups", json={"name": 5})
    wrong = answer.json()["errors"][0]
    assert (wrong["field"], wrong["code"]) == ("name", "string_type")
    assert "bounds" not in wrong


async def test_what_a_route_documents_it_takes(client: httpx.AsyncClient) -> None:
    """Every parameter of the OpenAPI document is known to the check, whatever its value."""
    document = create_api().openapi()
    asked = 0
    for path, operations in document["paths"].items():
        names = [
            parameter["name"]
            for parameter in operations.get("get", {}).get("parameters", [])
            if parameter["in"] == "query"
        ]
        if path.startswith(f"{API}/") and names:
            answer = await client.get(path, params=dict.fromkeys(names, "1"))
            assert "there is no such parameter" not in answer.text, (path, names)
            asked += 1
    assert asked >= 5


async def test_strangers_learn_nothing_of_the_parameters(client: httpx.AsyncClient) -> None:
    nobody = {"authorization": "Bearer no"}
    answer = await client.get(f"{API}/gateway/channels?colour=red", headers=nobody)
    assert answer.status_code == 401


async def test_pages_and_the_imitated_api_ignore_what_they_do_not_know(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/?from=a-newsletter")).status_code == 200
    old = await client.get("/api/channels/?colour=red", headers={"authorization": ADMIN_KEY})
    assert old.json()["success"] is True
