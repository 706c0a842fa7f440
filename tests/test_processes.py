"""What a process of one role imports, and what it answers of its health."""

from pathlib import Path

import httpx
import pytest
from sqlalchemy import URL

from doubles.installation import ADMIN_KEY, Installation, running

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

TELL = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Has the interpreter name each module on standard error, as it is imported."""

OF_OTHERS = {
    "aiosmtplib",
    "alembic",
    "croniter",
    "cryptography",
    "dbos",
    "fastapi",
    "httpx",
    "prometheus_client",
    "psutil",
    "pydantic",
    "redis",
}
"""Packages that a process which only relays calls does without: a megabyte or more each, or with
what they import. It needs ``cryptography`` as soon as a channel has a credential, and
``prometheus_client`` as soon as somebody asks for its metrics."""


def imported(output: str) -> set[str]:
    """The packages that the interpreter told of."""
    lines = [line for line in output.splitlines() if line.startswith("import time:")]
    assert lines, output
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.fixture
async def installation(tmp_path: Path, empty_database_url: URL) -> Installation:
    url = empty_database_url.render_as_string(hide_password=False)
    made = Installation(tmp_path, PAIFANG_DB_URL=url)
    status, output = await made.command("migrate")
    assert status == 0, output
    return made


async def test_a_process_that_only_relays_imports_nothing_of_the_others(
    installation: Installation,
) -> None:
    async with running(installation, "serve", "--only", "gateway", **TELL) as process:
        async with httpx.AsyncClient(base_url=process.url, trust_env=False) as client:
            ready = await client.get("/readyz")
            assert ready.json()["parts"] == {"database": "ok", "snapshot": "ok"}
            assert (await client.get("/v1/models")).status_code == 401
        assert await process.terminate() == 0
    found = imported(process.text)
    assert {"paifang", "sqlalchemy", "uvicorn"} <= found, "it told of what it imported"
    assert found & OF_OTHERS == set()


async def test_it_tells_its_metrics_all_the_same(installation: Installation) -> None:
    async with (
        running(installation, "serve", "--only", "gateway") as process,
        httpx.AsyncClient(base_url=process.url, trust_env=False) as client,
    ):
        refused = await client.get("/metrics")
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert refused.headers["www-authenticate"] == "Bearer"
        for _ in range(2):
            answer = await client.get("/metrics", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
            assert answer.status_code == 200
            assert "\npaifang_gateway_calls_in_flight 0.0\n" in answer.text
            assert "\nprocess_resident_memory_bytes " in answer.text


@pytest.mark.parametrize("argument", ["--version", "--help"])
async def test_the_list_of_commands_imports_none_of_them(
    tmp_path: Path, database_kind: str, argument: str
) -> None:
    installation = Installation(tmp_path)
    installation.variables |= TELL
    status, output = await installation.command(argument)
    assert status == 0, output
    found = imported(output)
    assert {"paifang", "click"} <= found
    assert found & {"asyncio", "sqlalchemy", *OF_OTHERS} == set()


@pytest.mark.parametrize("role", ["gateway", "console"])
async def test_the_health_of_a_process_can_be_asked_for_without_a_body(
    installation: Installation, role: str
) -> None:
    async with (
        running(installation, "serve", "--only", role) as process,
        httpx.AsyncClient(base_url=process.url, trust_env=False) as client,
    ):
        for path in ("/livez", "/readyz"):
            got, head = await client.get(path), await client.head(path)
            assert got.json()["status"] == "ok"
            assert (head.status_code, head.content) == (200, b"")
            for name in ("content-type", "content-length", "x-frame-options"):
                assert head.headers[name] == got.headers[name], (path, name)
            refused = await client.post(path)
            assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
            assert "GET" in refused.headers["allow"]
        missing = await client.get("/nothing")
        problem = missing.json()
        assert (missing.status_code, problem["code"]) == (404, "not_found")
        assert problem["request_id"] == missing.headers["x-request-id"]
        assert "GET /nothing" in problem["detail"]
