"""Where an upstream is: a base URL, read once."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Literal, Self
from urllib.parse import urlsplit

_VISIBLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class Target:
    """An upstream's base URL in the parts that a connection and a request need."""

    scheme: Literal["http", "https"]
    host: str
    """ASCII and lower case; an IPv6 address stands without its brackets."""
    port: int
    path: str
    """What goes before every request's path: empty, or ``/v1``; never a slash at the end."""
    host_header: bytes
    """The value of ``Host``: with the port when it is not the scheme's own."""

    @property
    def key(self) -> tuple[str, int, bool]:
        """What connections are pooled by."""
        return self.host, self.port, self.scheme == "https"

    @property
    def tls(self) -> bool:
        """True for ``https``."""
        return self.scheme == "https"

    @classmethod
    def parse(cls, base_url: str) -> Self:
        """Read a base URL such as ``https://api.example.com/v1``.

        Raises ``ValueError`` when it is not http or https, holds a user name, password, query or
        fragment, or is malformed. The message repeats nothing of the URL, which may hold secrets.
        """
        if not base_url or any(c.isspace() or not c.isprintable() for c in base_url):
            raise ValueError("a base URL must not be empty or hold spaces or control characters")
        try:
            parts = urlsplit(base_url)
            port = parts.port
            host = _host(parts.hostname or "")
        except ValueError:
            raise ValueError("the host or port of the base URL is malformed") from None
        if parts.scheme not in {"http", "https"}:
            raise ValueError("a base URL must begin with http:// or https://")
        scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
        if "@" in parts.netloc:
            raise ValueError("a base URL must not hold a user name or password")
        if "?" in base_url or "#" in base_url:
            raise ValueError("a base URL must not hold a query or a fragment")
        if not host:
            raise ValueError("a base URL must name a host")
        path = parts.path.rstrip("/")
        if path and not _VISIBLE.fullmatch(path):
            raise ValueError("the path of a base URL must be ASCII, percent-encoded where needed")
        own = 443 if scheme == "https" else 80
        if port is None:
            port = own
        if port == 0:
            raise ValueError("port 0 cannot be connected to")
        shown = f"[{host}]" if ":" in host else host
        header = (shown if port == own else f"{shown}:{port}").encode("ascii")
        return cls(scheme, host, port, path, header)


def _host(host: str) -> str:
    """The ASCII form of a host name or address; ``ValueError`` when it is neither."""
    if ":" in host:
        return str(IPv6Address(host))
    name = host if host.isascii() else host.encode("idna").decode("ascii")
    labels = name.removesuffix(".").split(".")
    if name and (len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels)):
        raise ValueError("no host name")
    return name
