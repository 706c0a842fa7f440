"""What a value must be like is said once: the API and the services refuse in the same words."""

from typing import Any

import httpx
import pytest

from paifang.core.auth import Principal
from paifang.core.errors import Invalid
from paifang.core.runtime import Runtime
from paifang.modules.gateway.channels import service as channels
from paifang.modules.gateway.groups import service as groups
from paifang.modules.gateway.prices import service as prices
from paifang.modules.gateway.tokens import service as tokens

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

ID = "use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
NAME = "use 1 to 64 printable characters"
MODEL = "use 1 to 128 printable characters"
CHANNEL = {"name": "one", "provider": "openai"}
PRICE: dict[str, Any] = {"model": "m", "input": "1", "output": "1"}


@pytest.mark.parametrize(
    ("path", "body", "field", "said"),
    [
        ("/groups", {"id": "a b"}, "id", ID),
        ("/groups", {"id": "a\n"}, "id", ID),
        ("/tokens", {"group_id": "g", "name": " "}, "name", NAME),
        ("/tokens", {"group_id": "g", "name": "a\u200b"}, "name", NAME),
        ("/tokens", {"group_id": "g", "name": "a", "models": ["x" * 129]}, "models.0", MODEL),
        ("/channels", {**CHANNEL, "name": "x" * 65}, "name", NAME),
        ("/channels", {**CHANNEL, "models": ["a", "b\x01"]}, "models.1", MODEL),
        ("/prices", {**PRICE, "model": "\x7f"}, "model", MODEL),
    ],
)
async def test_a_refused_value_is_told_what_it_may_be(
    *,
    api: httpx.AsyncClient,
    runtime: Runtime,
    actor: Principal,
    path: str,
    body: dict[str, Any],
    field: str,
    said: str,
) -> None:
    if path == "/tokens":
        await api.post("/groups", json={"id": "g"})
    answer = await api.post(path, json=body)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert (error["field"], error["message"]) == (field, said)
    with pytest.raises(Invalid) as refused:
        async with runtime.db.transaction() as session:
            match path:
                case "/groups":
                    await groups.create(session, actor=actor, group_id=body["id"], unpriced="allow")
                case "/tokens":
                    await tokens.create(session, actor=actor, **body)
                case "/channels":
                    await channels.create(session, actor=actor, secrets=runtime.secrets, **body)
                case _:
                    await prices.create(session, actor=actor, **{**body, "input": 1, "output": 1})
    (own,) = refused.value.errors
    assert (own["field"], own["message"]) == (field, said)
    assert refused.value.detail == f"{field}: {said}"


@pytest.mark.parametrize(
    "url",
    ["/groups?search=a%01", "/tokens?group_id=a%7F", "/channels?search=a%01", "/prices?model=%7F"],
)
async def test_a_search_that_can_find_nothing_is_refused_in_words(
    api: httpx.AsyncClient, url: str
) -> None:
    answer = await api.get(url)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"] == "use printable characters"
