"""The ways Paifang refuses, and how they look on the wire (RFC 9457)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class AppError(Exception):
    """A refusal with an HTTP status and a machine code; a service raises a subclass.

    A feature's ``errors.py`` holds one subclass per code::

        class TokenNameTaken(AppError):
            status = 409
            code = "token_name_taken"
            title = "A token of that name exists in this group"

    Attributes:
        status: HTTP status.
        code: Stable machine code, snake case.
        title: One short sentence, the same for every occurrence.
        detail: What is wrong here and what to do about it.
        errors: For 422: ``{"field": "limits.rpm", "message": "..."}`` entries, which may also have
            a ``code`` and ``bounds`` (see :class:`~paifang.core.openapi.ProblemField`).
        headers: Extra response headers, e.g. ``Retry-After``.
        extensions: Further members of the problem (RFC 9457, section 3.2), by name.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title: ClassVar[str] = "The request can't be carried out"

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        self.detail = detail or self.title
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})
        super().__init__(self.detail)


class StartRefused(Exception):
    """This process may not start; the message says why and what to do, for who started it."""


class NotFound(AppError):
    """The thing does not exist, or the caller may not see it."""

    status = 404
    code = "not_found"
    title = "There is no such thing"


class Invalid(AppError):
    """The request was understood, but a value in it can't be right."""

    status = 422
    code = "invalid"
    title = "A value is not valid"


class Conflict(AppError):
    """The change collides with something that exists."""

    status = 409
    code = "conflict"
    title = "The change collides with something that exists"


class Unauthenticated(AppError):
    """The caller did not say who they are, or not convincingly."""

    status = 401
    code = "unauthenticated"
    title = "Sign in, or send a valid key"

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(AppError):
    """The caller is known and may see the thing, but not do this."""

    status = 403
    code = "forbidden"
    title = "You have no permission to do this"


class Unavailable(AppError):
    """Something we need is away for the moment."""

    status = 503
    code = "unavailable"
    title = "Something this needs is not available right now"


def words(message: str) -> str:
    """What a check of ours said, as Pydantic passes it on."""
    return message.removeprefix("Value error, ")


def problem(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    request_id: str,
    errors: Sequence[Mapping[str, Any]] = (),
    extensions: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of an ``application/problem+json`` answer (RFC 9457, section 3)."""
    body: dict[str, Any] = {
        **(extensions or {}),
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }
    if errors:
        body["errors"] = [dict(e) for e in errors]
    return body
