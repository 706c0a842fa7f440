"""For which site passkeys are made: browsers bind each to a name, and tell where they were asked.

The name is that of the public URL. Without one it is the request's own, on this machine alone: a
``Host`` header says what its sender likes.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from paifang.modules.accounts.passkeys.errors import PasskeysUnavailable

NAME = "Paifang"


@dataclass(frozen=True, slots=True)
class Party:
    """The site, as browsers see it (a "relying party")."""

    id: str
    """Its name, without a port."""
    origin: str
    """Scheme, name and port."""


def party(*, public_url: str, request_url: str) -> Party:
    """The site that passkeys are made for.

    Args:
        public_url: The setting; empty when there is none.
        request_url: Where the request came to.

    Raises:
        PasskeysUnavailable: browsers offer no passkeys there; it says what is needed.
    """
    parts = urlsplit(public_url or request_url)
    host = (parts.hostname or "").rstrip(".")
    local = host == "localhost" or host.endswith(".localhost")
    if not public_url and not local:
        raise PasskeysUnavailable(_without_public_url(host, parts.port))
    if host.replace(".", "").isdigit() or ":" in host:
        raise PasskeysUnavailable(
            "Browsers make passkeys for names, not for addresses: PAIFANG_PUBLIC_URL must hold a "
            "name and https, for example https://paifang.example.com."
        )
    if parts.scheme != "https" and not local:
        raise PasskeysUnavailable(
            "Browsers offer passkeys over https alone: put TLS in front and set "
            f"PAIFANG_PUBLIC_URL to https://{host}. On this machine http://localhost does."
        )
    port = parts.port
    usual = {"https": 443, "http": 80}[parts.scheme]
    return Party(host, f"{parts.scheme}://{host}" + (f":{port}" if port and port != usual else ""))


def works_at(*, public_url: str, request_url: str) -> bool:
    """Whether browsers offer passkeys there, for a page that shows the button or does not."""
    try:
        party(public_url=public_url, request_url=request_url)
    except PasskeysUnavailable:
        return False
    return True


def _without_public_url(host: str, port: int | None) -> str:
    if host in {"127.0.0.1", "::1"}:
        there = f"http://localhost:{port}" if port else "http://localhost"
        return f"Browsers make passkeys for names, not for addresses: open {there} instead."
    return (
        "Set PAIFANG_PUBLIC_URL to the https address that people open: browsers bind passkeys to "
        "its name. On this machine http://localhost does without."
    )
