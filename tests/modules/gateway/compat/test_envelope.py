"""Bodies, errors and keys as AI Proxy's clients send and expect them."""

import asyncio
from typing import Any

import orjson
import pytest
from sqlalchemy.exc import OperationalError

from paifang.core.db import Database
from paifang.modules.gateway.compat.errors import MAX_BODY
from paifang.modules.gateway.groups import service as groups

GROUP = "/api/group/"
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


async def test_the_status_needs_no_key(proxy: Any) -> None:
    del proxy.client.headers["authorization"]
    started = (await proxy.ask("GET", "/api/status"))["startTime"]
    assert 1_700_000_000_000 < started < 10_000_000_000_000


async def test_the_key_is_taken_with_and_without_bearer(proxy: Any) -> None:
    key = proxy.client.headers["authorization"]
    for header in (key, f"Bearer {key}", f"bearer  {key} "):
        answer = await proxy.client.get("/api/groups/", headers={"Authorization": header})
        assert (answer.status_code, answer.json()["success"]) == (200, True)
    for header in ("", "Bearer", f"{key}x", f"Bearer {key[:-1]}", f"Basic {key}"):
        answer = await proxy.client.get("/api/groups/", headers={"Authorization": header})
        assert (answer.status_code, answer.json()["success"]) == (401, False)
    # Never in an address, where it would be logged.
    del proxy.client.headers["authorization"]
    assert (await proxy.client.get("/api/groups/", params={"key": key})).status_code == 401


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "application/json", None]
)
async def test_a_body_is_json_whatever_its_content_type_says(
    proxy: Any, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await proxy.client.post(GROUP, content=b'{\n"id": "ns-a"\n}', headers=headers)
    assert answer.json()["data"]["id"] == "ns-a"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"  ", "empty"),
        (b"id=ns-a", "not JSON"),
        (b'{"id": "ns-a"', "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "the body"),
        (b"null", "the body"),
        (b"{}", "id: Field required"),
        (b'{"id": 5}', "id: "),
        (b'{"id": ""}', "id: "),
        (b'{"id": "a b"}', "id: use 1 to 64"),
        (b'{"id": "a\\u0000b"}', "id: it has a character that can't be stored"),
        (b'{"id": "a", "qpm": -1}', "qpm: "),
        (b'{"id": "a", "qpm": 1e300}', "qpm: "),
        (b'{"id": 5, "qpm": "x"}', "qpm: "),
        (b'{"id": "' + b"a" * MAX_BODY + b'"}', "bytes"),
    ],
)
async def test_a_body_that_is_not_right_is_refused_with_the_reason(
    proxy: Any, body: bytes, said: str
) -> None:
    answer = await proxy.client.post(GROUP, content=body)
    assert answer.status_code == 200
    assert answer.json()["success"] is False
    assert said in answer.json()["message"]
    assert (await proxy.ask("GET", "/api/groups/"))["total"] == 0


async def test_a_wrong_number_in_the_path_or_query_is_refused(proxy: Any) -> None:
    for path in ("/api/tokens/x", "/api/tokens/0", "/api/tokens/-1", f"/api/tokens/{2**63}"):
        assert "number" in await proxy.refused("GET", path)
    assert "p: " in await proxy.refused("GET", "/api/groups/", p="x")
    assert "p: " in await proxy.refused("GET", "/api/groups/", p=2**63)
    for path in ("/api/group/a%00b", "/api/token/a%00b", "/api/log/a%00b/search"):
        assert "NUL" in await proxy.refused("GET", path)
    assert "keyword" in await proxy.refused("GET", "/api/groups/search?keyword=a%00b")


async def test_a_method_that_is_not_there_stays_in_the_envelope(proxy: Any) -> None:
    answer = await proxy.client.patch("/api/group/a")
    assert answer.status_code == 405
    assert answer.json()["success"] is False


async def test_an_error_rolls_the_transaction_back(
    proxy: Any, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = groups.create

    async def create(*args: Any, **values: Any) -> Any:
        await real(*args, **values)
        raise OperationalError("select", None, Exception("away"))

    monkeypatch.setattr(groups, "create", create)
    answer = await proxy.client.post(GROUP, json={"id": "a"})
    assert (answer.status_code, answer.json()["success"]) == (503, False)
    assert answer.headers["retry-after"] == "2"

    async def fail(*args: Any, **values: Any) -> Any:
        await real(*args, **values)
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(groups, "create", fail)
    answer = await proxy.client.post(GROUP, json={"id": "a"})
    assert (answer.status_code, answer.json()["success"]) == (500, False)
    assert "secret" not in answer.text
    monkeypatch.undo()
    assert (await proxy.ask("GET", "/api/groups/"))["total"] == 0


async def test_one_id_made_twice_at_once_is_made_once(proxy: Any) -> None:
    answers = await asyncio.gather(
        *(proxy.client.post(GROUP, content=orjson.dumps({"id": "x"})) for _ in range(5))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["success"] for answer in answers) == [False] * 4 + [True]
