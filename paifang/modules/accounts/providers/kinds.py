"""What a provider is, and how the setting that names some is read."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

SCOPES = ("openid", "email", "profile")
TAKEN = ("google", "github")
"""Ids that have settings of their own."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A service that vouches for people."""

    id: str
    """In URLs, and in the rows of those who have used it."""
    name: str
    """On its button."""
    issuer: str
    """The namespace of its names for people."""
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...] = SCOPES
    oidc: bool = True
    """False for GitHub, which speaks OAuth 2.0 and an API of its own."""

    @property
    def trusted(self) -> frozenset[str]:
        """The hosts that may be anywhere: the one that the operator has typed."""
        return frozenset({(urlsplit(self.issuer).hostname or "").lower()})


def google(client_id: str, client_secret: str) -> Provider:
    """Google."""
    return Provider("google", "Google", "https://accounts.google.com", client_id, client_secret)


def github(client_id: str, client_secret: str, url: str = "https://github.com") -> Provider:
    """GitHub, or a GitHub Enterprise Server."""
    scopes = ("read:user", "user:email")
    return Provider("github", "GitHub", url, client_id, client_secret, scopes, oidc=False)


def read(text: str) -> list[Provider]:
    """The providers of the setting.

    Raises:
        ValueError: they can't be right; nothing of the text is repeated, it holds secrets.
    """
    if not text.strip():
        return []
    try:
        entries = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON at character {error.pos}") from None
    if not isinstance(entries, list):
        raise ValueError("must be a JSON list of objects")
    found: list[Provider] = []
    for number, entry in enumerate(entries, 1):
        provider = _provider(entry, f"entry {number}")
        for other in found:
            if provider.id == other.id or provider.issuer == other.issuer:
                raise ValueError(f"entry {number}: its id or its issuer is there twice")
        found.append(provider)
    return found


_FIELDS = {"id", "name", "issuer", "client_id", "client_secret", "scopes"}


def _provider(entry: Any, where: str) -> Provider:
    if not isinstance(entry, dict) or not all(isinstance(key, str) for key in entry):
        raise ValueError(f"{where} is not an object")
    if not set(entry) <= _FIELDS:
        raise ValueError(f"{where} has a field that is none of {', '.join(sorted(_FIELDS))}")
    values = {name: entry.get(name, "") for name in ("id", "name", "issuer", "client_id")}
    for name, value in values.items():
        if not isinstance(value, str) or not value or len(value) > 255:
            raise ValueError(f"{where}: {name} is missing, empty or no text")
    secret = entry.get("client_secret", "")
    scopes = entry.get("scopes", list(SCOPES))
    if not isinstance(secret, str):
        raise ValueError(f"{where}: client_secret is no text")
    if not isinstance(scopes, list) or not all(
        isinstance(scope, str) and re.fullmatch(r"[!#-\[\]-~]+", scope) for scope in scopes
    ):
        raise ValueError(f"{where}: scopes is not a list of scopes")
    if "openid" not in scopes:
        raise ValueError(f"{where}: scopes lacks openid")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", values["id"]) or values["id"] in TAKEN:
        raise ValueError(
            f"{where}: id must be small letters, digits and -, at most 32, and not "
            f"{' or '.join(TAKEN)}, which have settings of their own"
        )
    check_issuer(values["issuer"], where)
    return Provider(**values, client_secret=secret, scopes=tuple(scopes))


def check_issuer(issuer: str, where: str) -> None:
    """Refuse what is no https URL, or http one of this machine. Raises ``ValueError``."""
    try:
        parts = urlsplit(issuer)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        port_is_one = False
    if not port_is_one or not parts.hostname or parts.query or parts.fragment or "@" in issuer:
        raise ValueError(f"{where}: issuer is no URL of an issuer")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
        raise ValueError(f"{where}: issuer must be https; http does on this machine alone")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
