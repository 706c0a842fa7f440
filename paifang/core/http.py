"""How errors leave the API: ``application/problem+json`` for every one of them (RFC 9457)."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from paifang.core.errors import AppError, Invalid, problem, words
from paifang.core.guard import Refused

log = logging.getLogger("paifang.http")


def request_id(request: Request) -> str:
    """The id of this request, as in its ``x-request-id`` header and in the logs."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def problem_response(
    request: Request,
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> Response:
    """A problem as a response.

    A route that imitates another service's API has that service's shape of errors: its route
    class carries ``render_problem(status, detail, headers)``. It is done here, after the
    exception has rolled the transaction back, because a returned error would commit.
    """
    render = getattr(request.scope.get("route"), "render_problem", None)
    if render is not None:
        imitated: Response = render(status, detail, headers)
        return imitated
    body = problem(
        status=status,
        code=code,
        title=title,
        detail=detail,
        request_id=request_id(request),
        errors=errors,
        extensions=extensions,
    )
    return Response(
        orjson.dumps(body), status, media_type="application/problem+json", headers=headers
    )


async def _app_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101  # registered for nothing else
    return problem_response(
        request,
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        errors=error.errors,
        headers=error.headers,
        extensions=error.extensions,
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101  # registered for nothing else
    return await _app_error(request, error.error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for nothing else
    # The input itself is left out: it may hold a secret.
    errors = [_wrong(item) for item in error.errors()]
    first = errors[0] if errors else {"field": "", "message": "the request is not valid"}
    where = first["field"] or "the body"
    return problem_response(
        request,
        status=422,
        code="invalid",
        title="A value is not valid",
        detail=f"{where}: {first['message']}",
        errors=errors,
    )


UNREADABLE = "There was an error parsing the body"
"""What FastAPI says of a body that it could not parse, and could not say why."""
BOUNDS = ("min_length", "max_length", "ge", "gt", "le", "lt", "expected")
"""What of an error's context is told: never the input."""


def _wrong(item: Mapping[str, Any]) -> dict[str, Any]:
    """One of Pydantic's errors in our words, with its kind for whoever has other words."""
    where, *path = [str(part) for part in item["loc"]] or ["body"]
    message = words(str(item["msg"]))
    context = item.get("ctx", {})
    if item["type"] == "json_invalid":
        message = f"the body is not JSON (at character {'.'.join(path)})"
        path = []
    elif item["type"] == "model_attributes_type" and not path:
        message = "send a JSON object, as Content-Type application/json"
    wrong = {"field": ".".join(path), "in": where, "message": message, "code": item["type"]}
    bounds = {name: str(context[name]) for name in BOUNDS if name in context}
    return wrong | {"bounds": bounds} if bounds else wrong


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for nothing else
    if error.status_code == 400 and error.detail == UNREADABLE:
        return await _app_error(
            request, Invalid("The body can't be read: send it as its Content-Type says, in UTF-8.")
        )
    phrase = HTTPStatus(error.status_code).phrase
    detail = str(error.detail)
    what = f"{request.method} {request.url.path[:200]}"
    if error.status_code == 404 and detail == phrase:
        detail = f"There is no {what} here; /docs lists what there is."
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        detail = f"{what} is not possible; this path takes {allowed}."
    return problem_response(
        request,
        status=error.status_code,
        code=phrase.lower().replace(" ", "_").replace("-", "_"),
        title=phrase,
        detail=detail,
        headers=error.headers,
    )


async def _integrity(request: Request, error: Exception) -> Response:
    # Services check first and say what collides; this is the race that got past the check.
    log.info("a constraint refused a change: %s", type(error).__name__)
    return problem_response(
        request,
        status=409,
        code="conflict",
        title="The change collides with another one",
        detail="The same name or id was made at the same moment. Load and try again.",
    )


async def _unavailable(request: Request, error: Exception) -> Response:
    log.error("the database did not answer", exc_info=error)
    return problem_response(
        request,
        status=503,
        code="database_unavailable",
        title="The database is not available right now",
        detail="Nothing was changed. Try again in a moment.",
        headers={"Retry-After": "2"},
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return problem_response(
        request,
        status=500,
        code="internal_error",
        title="Something went wrong on our side",
        detail="The request id below finds it in the log.",
    )


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error as a problem; nothing of an exception's text reaches the caller."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(IntegrityError, _integrity)
    app.add_exception_handler(PoolTimeoutError, _unavailable)
    app.add_exception_handler(DBAPIError, _unavailable)
    app.add_exception_handler(Exception, _unexpected)
