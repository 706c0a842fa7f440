"""The document names what a route may answer, by the classes of refusal of its module."""

from typing import Any

import pytest

from paifang.api import create_api
from paifang.core.openapi import EVERYWHERE
from paifang.registry import MODULES


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_api(MODULES).openapi()


def answers(document: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]["responses"]
    return found


def test_a_modules_own_refusals_are_in_its_routes_and_in_no_other(document: dict[str, Any]) -> None:
    everywhere = {str(status) for status in EVERYWHERE}
    factors = answers(document, "/api/v1/account/totp/confirm", "post")
    channels = answers(document, "/api/v1/gateway/channels/preview", "post")
    roles = answers(document, "/api/v1/access/roles", "get")
    assert set(factors) == {"200", "400", *everywhere}, "a wrong code is a 400"
    assert "502" in channels, "an upstream that does not answer"
    assert set(roles) == {"200", *everywhere}
    for found in (factors, channels, roles):
        assert list(found["403"]["content"]) == ["application/problem+json"]


def test_who_imitates_another_service_refuses_in_its_shape(document: dict[str, Any]) -> None:
    proxy = answers(document, "/api/groups/", "get")
    assert set(proxy) == {"200", "401", "403", "503"}
    for status in ("401", "403"):
        shape = proxy[status]["content"]["application/json"]["schema"]["$ref"]
        assert shape.endswith("/Envelope_NoneType_")
    programs = answers(document, "/api/v1/auth/token", "post")
    assert set(programs) == {"200", "400", "429", "503"}
    assert "application/problem+json" not in str(programs)


def test_every_answer_with_a_body_says_of_what_type_it_is(document: dict[str, Any]) -> None:
    silent = [
        f"{method} {path} {status}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
        if not answer.get("content") and status not in {"204", "303"}
    ]
    assert silent == []
