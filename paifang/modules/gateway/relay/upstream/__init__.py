"""An HTTP/1.1 client pool for the relay: small, streaming, and honest about what was sent.

It speaks to upstreams over keep-alive connections, parses with llhttp (httptools), and needs
neither a task per request nor anything but an asyncio event loop (uvloop or the standard one).
"""

from paifang.modules.gateway.relay.upstream.connection import Key
from paifang.modules.gateway.relay.upstream.errors import ErrorKind, UpstreamError
from paifang.modules.gateway.relay.upstream.pool import Pool, request_head
from paifang.modules.gateway.relay.upstream.response import Response
from paifang.modules.gateway.relay.upstream.target import Target

__all__ = ["ErrorKind", "Key", "Pool", "Response", "Target", "UpstreamError", "request_head"]
