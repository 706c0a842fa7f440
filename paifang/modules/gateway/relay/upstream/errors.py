"""The one error of the upstream client."""

from typing import Literal

ErrorKind = Literal[
    "connect",
    "tls",
    "timeout_connect",
    "timeout_first_byte",
    "timeout_idle",
    "reset",
    "protocol",
    "too_large",
]
"""What went wrong.

``connect``: no TCP connection (refused, unreachable, unknown host). ``tls``: the handshake or
the certificate. ``timeout_*``: one of the three time-outs of
:class:`~paifang.modules.gateway.relay.snapshot.Timeouts`. ``reset``: the connection ended
before the answer did. ``protocol``: the bytes were no sound HTTP/1.x answer. ``too_large``: the
body is over the limit the caller gave.
"""


class UpstreamError(Exception):
    """An upstream gave no answer, or not all of it.

    ``sent`` says whether bytes of the request may have reached the upstream: while it is False,
    another attempt can repeat nothing. The message names the upstream's host, never a header or
    a body.
    """

    def __init__(self, kind: ErrorKind, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.sent = sent
