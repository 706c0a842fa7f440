"""Headers that every answer carries, so that a browser keeps to what we mean."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
DEFAULT_CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    b"frame-ancestors 'none'"
)
"""Content-Security-Policy of every page that does not bring its own."""
DATA_CSP = b"default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
"""That of the API: its answers are data, and nothing in them runs or loads anything."""
HSTS = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""Tells browsers to come by https alone, for a year."""


class SecurityHeaders:
    """Adds the security headers to every answer, and ``no-store`` where an answer says nothing
    about being kept: most are somebody's own.

    Args:
        app: The ASGI application.
        https: Whether people come by https; then their browsers shall keep to it.
    """

    def __init__(self, app: ASGIApp, *, https: bool = False) -> None:
        self._app = app
        self._headers = [*SECURITY_HEADERS, HSTS] if https else SECURITY_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on and add to the head of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        policy = DATA_CSP if scope["path"].startswith("/api/") else DEFAULT_CSP

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                names = {name.lower() for name, _value in headers}
                headers.extend(h for h in self._headers if h[0] not in names)
                if b"content-security-policy" not in names:
                    headers.append((b"content-security-policy", policy))
                if b"cache-control" not in names:
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        await self._app(scope, receive, send_with_headers)
