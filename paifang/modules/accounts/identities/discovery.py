"""What an issuer says of itself, and its keys; remembered for an hour."""

import logging
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from paifang.core.outbound import OutboundError, call
from paifang.modules.accounts.providers.kinds import Provider

log = logging.getLogger("paifang.accounts")

REMEMBERED = 3600.0
"""Seconds for which an issuer's document and keys are remembered."""
ASKED_AGAIN = 30.0
"""Seconds between two looks for a key that was not there: strangers choose a token's key id."""
SIGNING = {"RSA", "EC", "OKP"}


@dataclass(frozen=True, slots=True)
class Metadata:
    """An issuer's document, as far as it matters here."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    says_iss: bool
    """Whether it names itself in the answer to an authorization request (RFC 9207)."""
    basic: bool
    """Whether it takes the client's secret in a header; else it goes into the body."""


@dataclass(slots=True)
class _Entry:
    metadata: Metadata | None = None
    keys: tuple[Key, ...] = ()
    metadata_at: float = 0.0
    keys_at: float = 0.0


class Directory:
    """The issuers that this process knows.

    Args:
        seconds: How long one answer may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._entries: dict[str, _Entry] = {}

    async def metadata(self, provider: Provider) -> Metadata:
        """An issuer's document. Raises :class:`~paifang.core.outbound.OutboundError`."""
        entry = self._entries.setdefault(provider.issuer, _Entry())
        now = time.monotonic()
        if entry.metadata is None or now - entry.metadata_at > REMEMBERED:
            url = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
            entry.metadata = _metadata(provider, await self._get(provider, url))
            entry.metadata_at = now
        return entry.metadata

    async def key(self, provider: Provider, *, kid: str | None, kty: str) -> Key | None:
        """The issuer's key that a token names, or its one key of a kind when it names none.

        Keys change: one that is not known is looked for again, though not all the time.
        """
        entry = self._entries.setdefault(provider.issuer, _Entry())
        now = time.monotonic()
        stale = now - entry.keys_at > REMEMBERED
        found = _pick(entry.keys, kid, kty)
        if stale or (found is None and now - entry.keys_at > ASKED_AGAIN):
            metadata = await self.metadata(provider)
            entry.keys = _keys(await self._get(provider, metadata.jwks_uri))
            entry.keys_at = now
            found = _pick(entry.keys, kid, kty)
        return found

    async def _get(self, provider: Provider, url: str) -> dict[str, Any]:
        answer = await call(
            "GET",
            url,
            trusted=provider.trusted,
            seconds=self.seconds,
            headers={"Accept": "application/json"},
        )
        if answer.status != 200:
            raise OutboundError(f"{url} answered {answer.status}")
        return answer.json()


def _metadata(provider: Provider, document: dict[str, Any]) -> Metadata:
    if document.get("issuer") != provider.issuer:
        raise OutboundError("the document is of another issuer than the setting names")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    userinfo = document.get("userinfo_endpoint")
    return Metadata(
        authorization_endpoint=_url(provider, document, "authorization_endpoint"),
        token_endpoint=_url(provider, document, "token_endpoint"),
        jwks_uri=_url(provider, document, "jwks_uri"),
        userinfo_endpoint=_url(provider, document, "userinfo_endpoint") if userinfo else None,
        says_iss=document.get("authorization_response_iss_parameter_supported") is True,
        basic=not isinstance(methods, list) or "client_secret_basic" in methods,
    )


def _url(provider: Provider, document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    parts = urlsplit(value if isinstance(value, str) else "")
    host = (parts.hostname or "").lower()
    # An https issuer's endpoints are https; one on this machine may name its own host's http ones.
    plain = urlsplit(provider.issuer).scheme == "http" and host in provider.trusted
    fits = parts.scheme == "https" or (parts.scheme == "http" and plain)
    if not isinstance(value, str) or not host or not fits:
        raise OutboundError(f"{name} is missing or no https URL")
    return value


def _keys(document: dict[str, Any]) -> tuple[Key, ...]:
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise OutboundError("the document holds no keys")
    found: list[Key] = []
    for entry in listed:
        if not isinstance(entry, dict) or entry.get("kty") not in SIGNING:
            continue  # shared secrets have no place there, and kinds to come are not known yet
        if entry.get("use", "sig") != "sig":
            continue
        try:
            found.append(JWKRegistry.import_key(entry))
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("a key of an issuer can't be read: %s", type(error).__name__)
    return tuple(found)


def _pick(keys: tuple[Key, ...], kid: str | None, kty: str) -> Key | None:
    fitting = [key for key in keys if key.key_type == kty and (kid is None or key.kid == kid)]
    return fitting[0] if len(fitting) == 1 else None
