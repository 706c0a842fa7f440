"""The endpoints as an ASGI application of their own, for a process without an API."""

import logging
from collections.abc import Mapping

import orjson
from starlette.types import Receive, Scope, Send

from paifang.core.errors import AppError, NotFound, problem
from paifang.core.runtime import Runtime
from paifang.health.answers import ENDPOINTS, Answer

log = logging.getLogger("paifang.http")

READ = ("GET", "HEAD")


class MethodNotAllowed(AppError):
    """The path takes another method."""

    status = 405
    code = "method_not_allowed"
    title = "Method Not Allowed"


class InternalError(AppError):
    """A fault of ours."""

    status = 500
    code = "internal_error"
    title = "Something went wrong on our side"


class HealthApp:
    """Answers the three endpoints and says of any other path that it is not here.

    Args:
        runtime: The process that is asked about.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; its body is not read."""
        del receive
        headers: Mapping[str, str] = {}
        try:
            answer = await self._answer(scope)
        except AppError as refusal:
            answer, headers = _refused(scope, refusal), refusal.headers
        except Exception:
            log.exception("unexpected error")
            fault = InternalError("The request id below finds it in the log.")
            answer = _refused(scope, fault)
        head = {
            "content-type": answer.media_type,
            "content-length": str(len(answer.body)),
            **headers,
        }
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(n.lower().encode(), v.encode()) for n, v in head.items()],
            }
        )
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope) -> Answer:
        endpoint = ENDPOINTS.get(scope["path"])
        what = f"{scope['method'][:20]} {scope['path'][:200]}"
        if endpoint is None:
            raise NotFound(f"There is no {what} here: this process serves neither API nor pages.")
        if scope["method"] not in READ:
            allowed = ", ".join(READ)
            raise MethodNotAllowed(
                f"{what} is not possible; this path takes {allowed}.", headers={"Allow": allowed}
            )
        return await endpoint(self._runtime, _authorization(scope))


def _authorization(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value, "latin-1")
    return ""


def _refused(scope: Scope, error: AppError) -> Answer:
    body = problem(
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        request_id=str(scope.get("state", {}).get("request_id", "")),
    )
    return Answer(orjson.dumps(body), error.status, "application/problem+json")
