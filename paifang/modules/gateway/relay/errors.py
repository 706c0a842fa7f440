"""How the relay refuses: errors in OpenAI's shape, each saying what is wrong and what to do."""

from collections.abc import Sequence
from typing import Literal

import orjson

Headers = Sequence[tuple[bytes, bytes]]

Blame = Literal["client", "relay", "upstream", "answer"]
"""Whose doing it was, which decides the outcome in the record: ``client`` and ``relay`` refuse,
``upstream`` failed to give an answer, ``answer`` is the upstream's own error about the request.
"""

INVALID = "invalid_request_error"
SERVER = "server_error"
UPSTREAM = "upstream_error"
RATE = "rate_limit_error"

NO_RETRY: tuple[bytes, bytes] = (b"x-should-retry", b"false")
"""OpenAI's clients read it: trying again by itself will not help."""


class Refusal(Exception):
    """An answer that is an error.

    ``status`` and ``body`` are what the client gets; ``code`` goes to the record as well.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        headers: Headers = (),
        blame: Blame = "client",
        retry: bool = False,
        raw: bytes | None = None,
        foreign: bool = False,
        quoted: bool = False,
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind
        self.param = param
        self.headers = headers
        self.blame: Blame = blame
        self.retry = retry
        """Another upstream may do better."""
        self.raw = raw
        """An upstream's own error body, which goes to the client as it is."""
        self.foreign = foreign
        """The code is the upstream's own word: it may be any."""
        self.quoted = quoted
        """The message is the upstream's own, and may quote the request: it is for no log."""
        self.close = close
        """The client's connection ends with this answer."""

    def body(self) -> bytes:
        """The error as JSON."""
        if self.raw is not None:
            return self.raw
        return error_body(self.message, self.kind, self.code, self.param)

    def event(self) -> bytes:
        """The error as the last event of a stream that has already begun."""
        return b"data: " + self.body() + b"\n\n"


def journal_full() -> Refusal:
    """The answer while calls cannot be recorded, and therefore must not be made."""
    return Refusal(
        503,
        "journal_full",
        "The gateway cannot record calls at the moment: its journal is full. Tell its "
        "administrator to look at the disk and the database; try again later.",
        kind=SERVER,
        headers=(retry_after(5),),
        blame="relay",
    )


def internal_error() -> Refusal:
    """The answer to a fault of the relay's own."""
    return Refusal(
        500,
        "internal_error",
        "The gateway failed by a fault of its own. Tell its administrator the "
        "request id in the header x-request-id.",
        kind=SERVER,
        blame="upstream",
    )


def body_too_slow(seconds: float) -> Refusal:
    """The answer to a client that does not send its whole body in time."""
    return Refusal(
        408,
        "request_timeout",
        f"The request body did not arrive in {seconds:g} s.",
        close=True,
    )


def cut_by_shutdown() -> Refusal:
    """The answer to a call that the end of the process interrupts."""
    return Refusal(
        503,
        "shutting_down",
        "The gateway was shut down before the answer was complete. Try again.",
        kind=SERVER,
        headers=(retry_after(1),),
        blame="relay",
    )


def error_body(message: str, kind: str, code: str, param: str | None = None) -> bytes:
    """An error in OpenAI's shape."""
    return orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


def retry_after(seconds: float) -> tuple[bytes, bytes]:
    """The header ``Retry-After`` in whole seconds, at least one."""
    return (b"retry-after", b"%d" % max(1, -int(-seconds // 1)))
