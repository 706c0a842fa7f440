"""Guards the API's request bodies: whose they are and how large, before they are read."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paifang.core.auth import declared_access, principal
from paifang.core.errors import AppError, Unauthenticated


class RequestTooLarge(AppError):
    """The request body is over the setting ``PAIFANG_MAX_API_BODY_BYTES``."""

    status = 413
    code = "request_too_large"
    title = "The request body is too large"


class Refused(HTTPException):
    """A refusal raised while FastAPI reads a body.

    FastAPI makes a 400 of every other exception there. The error handlers answer with ``error``.
    """

    def __init__(self, error: AppError) -> None:
        super().__init__(error.status, error.detail, error.headers)
        self.error = error


class BodyGuard:
    """Lets nobody make us read a body who may not call, and nobody a large one.

    FastAPI reads and parses a body before a route's dependencies run. So the guard stands in
    ``receive``, where the route is known: a route that is not public wants its caller first, and
    what is, or says it is, over ``limit`` bytes is refused without being read or kept. Refused in
    there, it leaves as any error of that route does.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, its body guarded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size = 0
        admitted = False

        async def receive_guarded() -> Message:
            nonlocal size, admitted
            if not admitted:
                await self._admit(scope)
                admitted = True
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._limit:
                raise Refused(self._too_large())
            return message

        await self._app(scope, receive_guarded, send)

    async def _admit(self, scope: Scope) -> None:
        if any(permission is not None for permission in declared_access(scope.get("route"))):
            try:
                await principal(Request(scope))
            except Unauthenticated as error:
                raise Refused(error) from None
        if _stated(scope) > self._limit:
            raise Refused(self._too_large())

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The body is over {self._limit} bytes, the most the API takes.")


def _stated(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0
