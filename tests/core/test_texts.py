"""What no text may have is refused at the door, whichever database is behind it."""

import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Form
from pydantic import BaseModel

from paifang.core.auth import public
from paifang.core.errors import Invalid
from paifang.core.http import install_error_handlers
from paifang.core.texts import check_value


class Body(BaseModel):
    name: str
    more: Any = None


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    api = FastAPI()
    install_error_handlers(api)

    @api.post("/things/{thing}", dependencies=[public()])
    async def post(thing: str, body: Body, search: str = "") -> dict[str, Any]:
        return {"thing": thing, "name": body.name, "search": search}

    @api.post("/forms", dependencies=[public()])
    async def form(name: Annotated[str, Form()]) -> str:
        return name

    transport = httpx.ASGITransport(api)
    async with httpx.AsyncClient(transport=transport, base_url="http://paifang.test") as made:
        yield made


async def refused(client: httpx.AsyncClient, path: str, **request: Any) -> tuple[str, str]:
    answer = await client.post(path, **request)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    [error] = answer.json()["errors"]
    return error["in"], error["field"]


GOOD = {"name": "good"}
JSON = {"content-type": "application/json"}


async def test_nul_is_refused_wherever_it_stands(client: httpx.AsyncClient) -> None:
    missing = await client.post("/things/a%00b", json=GOOD)
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert await refused(client, "/things/a?search=a%00", json=GOOD) == ("query", "search")
    assert await refused(client, "/things/a", json={"name": "a\x00"}) == ("body", "name")
    assert await refused(client, "/forms", data={"name": "a\x00"}) == ("body", "name")
    deep = {**GOOD, "more": [1, {"x": ["a", "\x00"]}]}
    assert await refused(client, "/things/a", json=deep) == ("body", "more.1.x.1")
    key = {**GOOD, "more": {"\x00": 1}}
    assert await refused(client, "/things/a", json=key) == ("body", "more")


@pytest.mark.parametrize(
    "half",
    [r"\ud800", r"\uDBFF", r"\udc00\ud800", r"a\uDFFFb", r"\\ud83c\udfee", r"\ud83c\udfee\udfee"],
)
async def test_half_of_a_pair_is_refused(client: httpx.AsyncClient, half: str) -> None:
    body = b'{"name": "%b"}' % half.encode()
    found = await refused(client, "/things/a", content=body, headers=JSON)
    assert found == ("body", "name")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (r"\ud83c\udfee", "🏮"),
        (r"\\u0000", r"\u0000"),
        (r"\\ud800", r"\ud800"),
        (r"\u0001", "\x01"),
    ],
)
async def test_what_only_looks_like_one_passes(
    client: httpx.AsyncClient, written: str, text: str
) -> None:
    body = b'{"name": "%b"}' % written.encode()
    answer = await client.post("/things/a?search=%250", content=body, headers=JSON)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["name"], answer.json()["search"]) == (text, "%0")


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "\xff"}',
        b"[" * 50_000,
        b'{"name":' * 50_000,
        b'{"name": "\xed\xa0\x80"}',  # half of a pair in what looks like UTF-8
        '{"name": "a\\u0000"}'.encode("utf-16"),
        '{"name": "good"}'.encode("utf-32-le"),
    ],
)
async def test_a_body_that_cant_be_read_is_told_so(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/things/a", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_a_value_that_is_nested_deeply_is_looked_through() -> None:
    deep: Any = "\x00"
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(Invalid):
        check_value(deep)
    check_value(json.loads('{"a": ["b", 1, null, true, 1.5, {"c": {}}]}'))


def test_long_keys_and_many_values_take_no_room() -> None:
    many: Any = {"k" * 100_000: [1] * 5000, "b": {"c" * 100_000: ["x"] * 5000}}
    tracemalloc.start()
    try:
        check_value(many)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
