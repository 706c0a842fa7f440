"""The envelope of AI Proxy v1, around answers and errors alike, and its request bodies."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

import orjson
from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response

from paifang.core.errors import Invalid
from paifang.core.openapi import described
from paifang.core.texts import check_value
from paifang.modules.gateway.compat.errors import MAX_BODY, BodyTooLarge

T = TypeVar("T")

TAG = "ai-proxy"
_OWN_STATUS = {401, 403, 405}
"""Statuses below 500 that stay; every other refusal is a 200 with ``success`` false."""


class Envelope(BaseModel, Generic[T]):
    """What every answer is wrapped in."""

    success: bool
    message: str
    """Why it failed; empty when it did not."""
    data: T | None
    """Null when it failed."""


class EnvelopeRoute(APIRoute):
    """A route whose errors are in the envelope, too."""

    refusals: ClassVar = described((401, 403, 503), Envelope[None])
    """All others are a 200."""

    @staticmethod
    def render_problem(status: int, detail: str, headers: Mapping[str, str] | None) -> Response:
        """An error as that service answers it: HTTP 200, but for a wrong key or our own fault."""
        kept = status >= 500 or status in _OWN_STATUS
        body = {"success": False, "message": detail, "data": None}
        return Response(
            orjson.dumps(body),
            status if kept else 200,
            media_type="application/json",
            headers=headers,
        )


def answer(data: T) -> Envelope[T]:
    """A success."""
    return Envelope(success=True, message="", data=data)


def reader(kind: type[T]) -> Callable[[Request], Awaitable[T]]:
    """A dependency that reads the body as JSON of a kind, whatever its content type says.

    ``curl -d`` sends ``application/x-www-form-urlencoded``, and that service never looked.
    """
    adapter = TypeAdapter(kind)

    async def read(request: Request) -> T:
        raw = await _read(request)
        if not raw.strip():
            raise Invalid("The body is empty: send JSON.")
        try:
            data = orjson.loads(raw)
            check_value(data)
            return adapter.validate_python(data)
        except orjson.JSONDecodeError as error:
            raise Invalid(f"The body is not JSON: {error}.") from None
        except ValidationError as error:
            # Without the input: it may hold a key.
            problems = [
                {"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
                for item in error.errors(include_input=False, include_url=False)
            ]
            said = "; ".join(f"{p['field'] or 'the body'}: {p['message']}" for p in problems[:5])
            raise Invalid(said, errors=problems) from None

    return read


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BodyTooLarge
    return bytes(body)


def body_of(kind: Any) -> dict[str, Any]:
    """``openapi_extra`` of a route that reads its body with :func:`reader`."""
    schema = TypeAdapter(kind).json_schema()
    # The document has its own place for definitions, which what stands here can't reach.
    if (definitions := schema.pop("$defs", None)) and "items" in schema:
        schema["items"] = definitions[schema["items"]["$ref"].rpartition("/")[2]]
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@contextmanager
def spoken(names: Mapping[str, str]) -> Iterator[None]:
    """Name fields as this API does in what a service refuses: ``{"networks": "subnet"}``."""
    try:
        yield
    except Invalid as error:
        if not error.errors:
            raise
        problems = [
            {"field": _renamed(str(item["field"]), names), "message": item["message"]}
            for item in error.errors
        ]
        first = problems[0]
        raise Invalid(f"{first['field']}: {first['message']}", errors=problems) from error


def _renamed(field: str, names: Mapping[str, str]) -> str:
    first, dot, rest = field.partition(".")
    return f"{names.get(first, first)}{dot}{rest}"
