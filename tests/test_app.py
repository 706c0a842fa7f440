"""The application: health, metrics, errors, headers, and starting and stopping."""

from collections.abc import AsyncIterator
from typing import Any

import fastapi
import httpx
import pytest
from fastapi import APIRouter
from sqlalchemy import text

from conftest import ADMIN_KEY
from paifang.app import Application, open_runtime
from paifang.core.auth import public
from paifang.core.db import bump_version, read_version
from paifang.core.db.request import Db
from paifang.core.errors import Conflict
from paifang.core.module import Module
from paifang.core.runtime import Runtime
from paifang.core.settings import CoreSettings

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

router = APIRouter(tags=["test"])


@router.post("/things/{what}", dependencies=[public()])
async def change(what: str, session: Db) -> dict[str, str]:
    """Change something, then go wrong in one of several ways."""
    await bump_version(session, "thing")
    if what == "refuse":
        raise Conflict("That can't be.", headers={"Retry-After": "7"})
    if what == "break":
        raise RuntimeError("secret detail")
    if what == "collide":
        await session.execute(text("insert into counters (name, value) values ('a', 1)"))
        await session.execute(text("insert into counters (name, value) values ('a', 1)"))
    if what == "missing-table":
        await session.execute(text("select * from nowhere"))
    return {"done": what}


PROBE = Module(name="probe", routers=(router,))


@pytest.fixture
async def runtime(settings: CoreSettings) -> AsyncIterator[Runtime]:
    found = open_runtime(settings, modules=(*_modules(), PROBE), roles=frozenset({"console"}))
    yield found
    await found.db.close()


def _modules() -> tuple[Module, ...]:
    from paifang.registry import MODULES  # noqa: PLC0415 - the fixture's own

    return MODULES


@pytest.fixture
async def client(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    application = Application(runtime)
    await application.start()
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://paifang.test") as found:
        yield found
    await application.stop()


async def test_livez_asks_nothing(client: httpx.AsyncClient, runtime: Runtime) -> None:
    await runtime.db.close()
    assert (await client.get("/livez")).json()["status"] == "ok"


async def test_readyz_names_the_part_that_is_away(
    client: httpx.AsyncClient, runtime: Runtime
) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ok", "parts": {"database": "ok"}}

    async def away() -> str:
        return "it has gone for a walk"

    runtime.ready["model"] = away
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {"database": "ok", "model": "it has gone for a walk"}


async def test_readyz_says_no_while_it_drains(client: httpx.AsyncClient, runtime: Runtime) -> None:
    runtime.draining = True
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")


async def test_metrics_want_a_key(client: httpx.AsyncClient) -> None:
    assert (await client.get("/metrics")).status_code == 401
    wrong = await client.get("/metrics", headers={"Authorization": "Bearer wrong"})
    assert wrong.status_code == 401
    right = await client.get("/metrics", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    assert right.status_code == 200
    assert "process_resident_memory_bytes" in right.text


async def _version(runtime: Runtime) -> int:
    async with runtime.db.reading() as session:
        return await read_version(session, "thing")


@pytest.mark.parametrize(
    ("what", "status", "code"),
    [
        ("refuse", 409, "conflict"),
        ("break", 500, "internal_error"),
        ("collide", 409, "conflict"),
        ("missing-table", 503, "database_unavailable"),
    ],
)
async def test_what_fails_changes_nothing_and_is_answered_as_a_problem(
    client: httpx.AsyncClient,
    runtime: Runtime,
    what: str,
    status: int,
    code: str,
) -> None:
    answer = await client.post(f"/api/v1/things/{what}")
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "secret detail" not in answer.text
    assert "nowhere" not in answer.text
    assert await _version(runtime) == 0
    assert (await client.post("/api/v1/things/fine")).status_code == 200
    assert await _version(runtime) == 1


async def test_a_refusal_carries_its_headers(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/v1/things/refuse")).headers["retry-after"] == "7"


async def test_a_value_that_is_wrong_is_named_but_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/gateway/groups",
        json={"id": "team", "rpm": "sk-very-secret"},
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "rpm"
    assert "sk-very-secret" not in answer.text


async def test_an_unknown_path_is_a_problem_too(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_without_the_administrator_key_nothing_is_answered(
    client: httpx.AsyncClient,
) -> None:
    for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": ""}):
        answer = await client.get("/api/v1/gateway/tokens", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/api/v1/gateway/tokens", "/livez", "/nothing", "/"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["referrer-policy"], path
    assert (await client.get("/api/v1/gateway/tokens")).headers["cache-control"] == "no-store"


async def test_a_process_that_does_not_serve_the_gateway_has_no_relay(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/v1/models")).status_code == 404


async def test_when_one_part_fails_to_start_those_before_it_are_stopped(
    settings: CoreSettings,
) -> None:
    events: list[str] = []

    async def first(_runtime: Runtime) -> Any:
        events.append("first started")

        async def stop() -> None:
            events.append("first stopped")

        return stop

    async def second(_runtime: Runtime) -> Any:
        raise RuntimeError("no")

    module = Module(name="probe", starts=(first, second))
    runtime = open_runtime(settings, modules=(module,), roles=frozenset({"console"}))
    with pytest.raises(RuntimeError):
        await Application(runtime).start()
    assert events == ["first started", "first stopped"]


async def test_the_first_request_finds_its_routes_built(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Building them takes half a second, in which the relay would pass nothing on."""
    built: list[Any] = []
    real = fastapi.routing.create_model_field

    def counting(*arguments: Any, **named: Any) -> Any:
        built.append(named)
        return real(*arguments, **named)

    monkeypatch.setattr(fastapi.routing, "create_model_field", counting)
    application = Application(runtime)
    await application.start()
    assert len(built) > 100
    built.clear()
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://paifang.test") as client:
        assert (await client.get("/api/v1/gateway/groups")).status_code == 401
    assert built == []
    await application.stop()
