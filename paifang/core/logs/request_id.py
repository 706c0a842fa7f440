"""The id of the request being served, for every line that is logged on its behalf."""

from contextvars import ContextVar

request_id_var: ContextVar[str] = ContextVar("paifang_request_id", default="")
"""Set by ``RequestIdMiddleware``; empty outside of a request. Tasks and threads started with
``asyncio`` inherit it."""
