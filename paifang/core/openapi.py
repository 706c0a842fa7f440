"""The OpenAPI document tells the truth about errors: every one of them is a problem (RFC 9457)."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from paifang.core.errors import AppError

Responses = dict[int | str, dict[str, Any]]

MEDIA_TYPE = "application/problem+json"


class ProblemField(BaseModel):
    """A value that is not valid."""

    field: str = Field(description="Dotted path, such as `limits.rpm`; empty for all of it.")
    message: str
    in_: str | None = Field(
        None, alias="in", description="`body`, `query`, `path` or `header`; of some, not told."
    )
    code: str | None = Field(
        None, description="Stable kind, such as `string_too_short`; of some, not told."
    )
    bounds: dict[str, str] | None = Field(
        None, description="What the value is held to, by name: `max_length`, `ge`, `expected`, ..."
    )


class Problem(BaseModel):
    """What every error answers, as ``application/problem+json`` (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable machine code; docs/reference/errors.md lists them.")
    detail: str = Field(description="What is wrong here and what to do about it.")
    request_id: str = Field(description="The same as the `x-request-id` header.")
    errors: list[ProblemField] | None = Field(None, description="For 422: each wrong value.")


EVERYWHERE = (401, 403, 404, 408, 409, 413, 422, 429, 503)
"""Statuses of refusals that any route may come to."""


def described(statuses: Iterable[int], model: Any = Problem) -> Responses:
    """The answers of these statuses, for ``responses=`` of a route or of ``include_router``."""
    return {
        status: {"model": model, "description": HTTPStatus(status).phrase}
        for status in sorted(statuses)
    }


def refusals(router: APIRouter) -> Responses:
    """What the routes of a router may be refused with: that of any route, and what the classes of
    refusal of their module say.

    A router whose route class answers in another service's shape has its own: the class carries
    ``refusals``.
    """
    own: Responses | None = getattr(router.route_class, "refusals", None)
    if own is not None:
        return own
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    packages = {".".join(route.endpoint.__module__.split(".")[:3]) for route in routes}
    prefixes = tuple(f"{package}." for package in packages)
    theirs = {kind.status for kind in _below(AppError) if kind.__module__.startswith(prefixes)}
    return described({*EVERYWHERE, *theirs})


def _below(kind: type[AppError]) -> Iterator[type[AppError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def truthful_openapi(api: FastAPI) -> None:
    """Have the document name our media type, and not the framework's own shape of a 422."""
    generate = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = generate()
            for operations in document["paths"].values():
                for operation in operations.values():
                    _correct(operation["responses"])
            schemas = document.get("components", {}).get("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            api.openapi_schema = document
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _correct(responses: dict[str, Any]) -> None:
    for status, response in list(responses.items()):
        content = response.get("content", {})
        shape = content.get("application/json", {}).get("schema", {}).get("$ref", "")
        if shape.endswith("/HTTPValidationError"):
            # A route that imitates another service's API has that service's errors.
            del responses[status]
        elif shape.endswith("/Problem"):
            content[MEDIA_TYPE] = content.pop("application/json")
