"""What members are told they may call, and that channels and credentials stay out of it."""

from typing import Any

import httpx
import pytest

from doubles.openai_upstream import OpenAIDouble
from modules.gateway.people import People, made
from modules.gateway.test_teams import team

MODELS = {"local": ["tiny"], "far": ["gift", "dear", "unpriced"]}


async def serve(api: httpx.AsyncClient) -> None:
    for name, models in MODELS.items():
        local = name == "local"
        body = {
            "name": name,
            "provider": "local" if local else "openai",
            "base_url": "local:tiny" if local else "http://127.0.0.1:9/v1",
            "models": models,
        }
        made(await api.post("/channels", json=body))
    for model, price in (("gift", "0"), ("dear", "1")):
        made(await api.post("/prices", json={"model": model, "input": price, "output": price}))


async def offered(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {m["model"]: m for m in made(await client.get("/models"), 200)["items"]}


async def test_members_are_told_what_their_groups_may_call(
    people: People, api: httpx.AsyncClient
) -> None:
    await serve(api)
    ann = await people.make("ann")
    everything = await offered(api)
    assert set(everything) == {"tiny", "gift", "dear", "unpriced"}
    assert everything["dear"]["channels"] == ["far"]
    # By default new people may call what our own machine computes.
    assert set(await offered(ann.api)) == {"tiny"}
    made(await ann.api.put("/groups/personal"), 200)
    assert set(await offered(ann.api)) == {"tiny"}
    group = await team(ann)
    made(await api.patch(f"/groups/{group}", json={"models": None, "quota": "1"}), 200)
    found = await offered(ann.api)
    assert set(found) == {"tiny", "gift", "dear"}  # with a quota, nothing without a price
    assert {(m["free"], tuple(m["channels"])) for m in found.values()} == {(True, ()), (False, ())}
    made(await api.patch(f"/groups/{group}", json={"models": ["dear"], "quota": None}), 200)
    assert set(await offered(ann.api)) == {"tiny", "dear"}
    made(await api.patch(f"/groups/{group}", json={"status": "disabled"}), 200)
    assert set(await offered(ann.api)) == {"tiny"}
    where = made(await ann.api.get("/endpoint"), 200)
    assert where["base_url"].endswith("/v1")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_an_upstream_is_asked_before_a_channel_is_stored(
    api: httpx.AsyncClient, people: People
) -> None:
    async with OpenAIDouble() as double:
        body: dict[str, Any] = {"provider": "openai", "base_url": double.url}
        found = made(await api.post("/channels/preview", json=body), 200)
        assert found["models"]
        made(await api.post("/channels", json={**body, "name": "one", "credential": "s" * 20}))
        (channel,) = made(await api.get("/channels"), 200)["items"]
        again = {**body, "channel_id": channel["id"]}
        made(await api.post("/channels/preview", json=again), 200)
        # A stored credential goes to the server it is for, and to no other.
        elsewhere = {**again, "base_url": "http://127.0.0.1:9/v1"}
        refused = await api.post("/channels/preview", json=elsewhere)
        assert refused.json()["errors"][0]["field"] == "credential"
        ann = await people.make("ann")
        assert (await ann.api.post("/channels/preview", json=body)).status_code == 403
