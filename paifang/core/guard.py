"""Guards the API's request bodies: whose they are and how large, before they are read, and how
long they take.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paifang.core.auth import declared_access, principal
from paifang.core.errors import AppError, Unauthenticated

F = TypeVar("F", bound=Callable[..., object])

LIMIT_MARK = "paifang_largest_body"


def largest_body(size: int) -> Callable[[F], F]:
    """A decorator of an endpoint that takes bodies of up to ``size`` bytes, as uploads are."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, LIMIT_MARK, size)
        return endpoint

    return mark


class RequestTooLarge(AppError):
    """The request body is over the setting ``PAIFANG_MAX_API_BODY_BYTES``."""

    status = 413
    code = "request_too_large"
    title = "The request body is too large"


class RequestTimeout(AppError):
    """The request body took longer than the setting ``PAIFANG_API_BODY_TIMEOUT``."""

    status = 408
    code = "request_timeout"
    title = "The request body did not arrive in time"


class Refused(HTTPException):
    """A refusal raised while FastAPI reads a body.

    FastAPI makes a 400 of every other exception there. The error handlers answer with ``error``.
    """

    def __init__(self, error: AppError) -> None:
        super().__init__(error.status, error.detail, error.headers)
        self.error = error


class BodyGuard:
    """Lets nobody make us read a body who may not call, and nobody a large or an endless one.

    FastAPI reads and parses a body before a route's dependencies run. So the guard stands in
    ``receive``, where the route is known: a route that is not public wants its caller first, and
    what is, or says it is, over ``limit`` bytes is refused without being read or kept. Refused in
    there, it leaves as any error of that route does.

    Args:
        app: The ASGI application.
        limit: Bytes a body may have, where the endpoint has no :func:`largest_body`.
        seconds: How long a body may take from when the route asks for it to its last byte.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float) -> None:
        self._app = app
        self._limit = limit
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, its body guarded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0
        limit = self._limit
        deadline: float | None = None
        complete = False

        async def receive_guarded() -> Message:
            nonlocal size, limit, deadline, complete
            if complete:
                return await receive()  # whoever asks now waits for the client to leave
            if deadline is None:
                limit = self._limit_of(scope)
                await self._admit(scope, limit)
                deadline = asyncio.get_running_loop().time() + self._seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise Refused(self._too_slow()) from None
            size += len(message.get("body", b""))
            if size > limit:
                raise Refused(self._too_large(limit))
            complete = not message.get("more_body", False)
            return message

        await self._app(scope, receive_guarded, send)

    def _limit_of(self, scope: Scope) -> int:
        endpoint = getattr(scope.get("route"), "endpoint", None)
        limit: int = getattr(endpoint, LIMIT_MARK, self._limit)
        return limit

    async def _admit(self, scope: Scope, limit: int) -> None:
        if any(permission is not None for permission in declared_access(scope.get("route"))):
            try:
                await principal(Request(scope))
            except Unauthenticated as error:
                raise Refused(error) from None
        if _stated(scope) > limit:
            raise Refused(self._too_large(limit))

    def _too_slow(self) -> RequestTimeout:
        # What still comes of the body is not to be taken for another request.
        return RequestTimeout(
            f"The whole body must arrive in {self._seconds:g} s; send it again, faster.",
            headers={"Connection": "close"},
        )

    def _too_large(self, limit: int) -> RequestTooLarge:
        return RequestTooLarge(f"The body is over {limit} bytes, the most that this takes.")


def _stated(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
