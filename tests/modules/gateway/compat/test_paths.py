"""Every path of AI Proxy v1 is there, and asks for the key."""

from typing import Any

import pytest
from starlette.routing import Match

from paifang.api import create_api, openapi
from paifang.checks import check_routes
from paifang.modules.gateway.compat.envelope import TAG, EnvelopeRoute
from paifang.modules.gateway.compat.router import routers
from paifang.registry import MODULES

PATHS = """
GET /api/models
GET /api/models/price
GET /api/models/enabled
GET /api/models/enabled/price
GET /api/models/enabled/channel
GET /api/models/enabled/channel/price
GET /api/models/enabled/default
GET /api/models/enabled/default/1
GET /api/models/enabled/mapping/default
GET /api/models/enabled/mapping/default/1
GET /api/models/enabled/all/default
GET /api/models/enabled/all/default/1
GET /api/groups/
GET /api/groups/search
POST /api/group/
GET /api/group/ns-admin
DELETE /api/group/ns-admin
POST /api/group/ns-admin/status
POST /api/group/ns-admin/qpm
GET /api/option/
PUT /api/option/
PUT /api/option/batch
GET /api/channels/
GET /api/channels/all
GET /api/channels/search
GET /api/channels/test
GET /api/channels/update_balance
POST /api/channels/
GET /api/channel/1
POST /api/channel/
PUT /api/channel/
POST /api/channel/1/status
DELETE /api/channel/1
GET /api/channel/test/1
GET /api/channel/update_balance/1
GET /api/tokens/
GET /api/tokens/search
GET /api/tokens/1
PUT /api/tokens/1
DELETE /api/tokens/1
POST /api/tokens/1/status
POST /api/tokens/1/name
GET /api/token/ns-admin
GET /api/token/ns-admin/search
GET /api/token/ns-admin/1
POST /api/token/ns-admin
PUT /api/token/ns-admin/1
POST /api/token/ns-admin/1/status
POST /api/token/ns-admin/1/name
DELETE /api/token/ns-admin/1
GET /api/logs/
GET /api/logs/search
GET /api/logs/stat
GET /api/logs/consume_error
DELETE /api/logs/
GET /api/log/ns-admin
GET /api/log/ns-admin/search
"""
GUARDED = [tuple(line.split()) for line in PATHS.split("\n") if line]
BOTH = [(method, path.rstrip("/")) for method, path in GUARDED if path.endswith("/")]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_every_path_is_there_and_asks_for_the_key(proxy: Any) -> None:
    del proxy.client.headers["authorization"]
    for method, path in [*GUARDED, *BOTH]:
        answer = await proxy.client.request(method, path)
        envelope = answer.json()
        assert answer.status_code == 401, (method, path, answer.text)
        assert envelope == {"success": False, "message": envelope["message"], "data": None}
        assert "administrator key" in envelope["message"]
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["www-authenticate"] == "Bearer"


def test_no_path_hides_another() -> None:
    routes = [route for router in routers for route in router.routes]
    for method, path in [("GET", "/api/status"), *GUARDED, *BOTH]:
        scope = {"type": "http", "method": method, "path": path, "headers": []}
        found = [route for route in routes if route.matches(scope)[0] is Match.FULL]
        # /search and the like match {id}, too; what is meant must come first.
        words = path.strip("/").split("/")
        assert found, (method, path)
        exact = found[0].path.strip("/").split("/")
        assert [word for word in exact if not word.startswith("{")] == [
            word for word, part in zip(words, exact, strict=True) if not part.startswith("{")
        ]
        assert not any(
            len([w for w in other.path.split("/") if w.startswith("{")])
            < len([w for w in exact if w.startswith("{")])
            for other in found[1:]
        ), (method, path, [other.path for other in found])


def test_the_table_is_all_there_is() -> None:
    have = {
        (method, route.path.rstrip("/").count("/"), route.path.split("/")[2])
        for router in routers
        for route in router.routes
        for method in route.methods
    }
    want = {
        (method, path.rstrip("/").count("/"), path.split("/")[2])
        for method, path in [("GET", "/api/status"), *GUARDED]
    }
    assert have == want
    assert sum(len(router.routes) for router in routers) == 1 + len(GUARDED) + len(BOTH)


def test_routes_declare_their_access_and_answer_in_the_envelope() -> None:
    assert check_routes(MODULES) == []
    routes = [route for router in routers for route in router.routes]
    assert all(isinstance(route, EnvelopeRoute) for route in routes)
    assert create_api().routes


def test_the_document_shows_each_path_once_with_its_body() -> None:
    document = openapi()
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if TAG in operation.get("tags", ())
    }
    assert len(operations) == 1 + len(GUARDED)
    ids = [operation["operationId"] for operation in operations.values()]
    assert len(set(ids)) == len(ids)
    bodies = {path for (_m, path), operation in operations.items() if "requestBody" in operation}
    assert "/api/group/" in bodies
    group = operations["POST", "/api/group/"]["requestBody"]["content"]["application/json"]
    assert set(group["schema"]["properties"]) == {"id", "qpm"}
    token = operations["POST", "/api/token/{group_id}"]["requestBody"]["content"]
    assert "expiredAt" in token["application/json"]["schema"]["properties"]
    many = operations["POST", "/api/channels/"]["requestBody"]["content"]["application/json"]
    assert "base_url" in many["schema"]["items"]["properties"]
    writing = [key for key in operations if key[0] in {"POST", "PUT"}]
    assert all("requestBody" in operations[key] for key in writing)
    assert "$defs" not in str([operations[key] for key in writing])
