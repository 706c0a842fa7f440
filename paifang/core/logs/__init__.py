"""Logs: JSON lines on standard output, rotated files when a folder is set, no secrets in either.

``configure`` is called once per process, before anything logs; ``hide_secrets`` right after the
settings are read. Elsewhere: ``logger = logging.getLogger(__name__)`` and nothing more.
"""

from paifang.core.logs.middleware import AccessLogMiddleware, RequestIdMiddleware
from paifang.core.logs.redaction import MASK, RedactionFilter, hide, hide_secrets, redact
from paifang.core.logs.request_id import request_id_var
from paifang.core.logs.setup import configure

__all__ = [
    "MASK",
    "AccessLogMiddleware",
    "RedactionFilter",
    "RequestIdMiddleware",
    "configure",
    "hide",
    "hide_secrets",
    "redact",
    "request_id_var",
]
