"""Trips to another service and back: begun here, tied to the browser, ended once.

The state is a handle whose digest alone is kept. PKCE's verifier and the nonce follow from it and
the installation's key, so that neither is kept anywhere, and neither is known to who sees the URL.
What came back waits for the page to fetch it, under the browser's cookie.
"""

import base64
import hmac
import logging
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from paifang.core.outbound import OutboundError
from paifang.core.runtime import Runtime
from paifang.modules.accounts.ceremonies import service as ceremonies
from paifang.modules.accounts.ceremonies.errors import CeremonyOver
from paifang.modules.accounts.identities import exchange
from paifang.modules.accounts.identities.discovery import Directory
from paifang.modules.accounts.identities.errors import (
    IdentityRefused,
    ProviderNotFound,
    ProviderUnavailable,
)
from paifang.modules.accounts.identities.exchange import Account, Denied, Trip
from paifang.modules.accounts.identities.id_tokens import BadIdToken
from paifang.modules.accounts.providers.kinds import Provider
from paifang.modules.accounts.providers.settings import OidcSettings

log = logging.getLogger("paifang.accounts")

SIGN_IN = "sign_in"
LINK = "link"
REAUTHENTICATE = "reauthenticate"
PURPOSES = (SIGN_IN, LINK, REAUTHENTICATE)
_AWAY = "oidc.away"


@dataclass(frozen=True, slots=True)
class Begun:
    """A trip: where to send the browser."""

    url: str


def provider_of(runtime: Runtime, provider_id: str) -> Provider:
    """A provider of the settings. Raises :class:`ProviderNotFound`."""
    found = runtime.settings.area(OidcSettings).by_id().get(provider_id)
    if found is None:
        raise ProviderNotFound
    return found


def directory_of(runtime: Runtime) -> Directory:
    """What this process knows of issuers."""
    found: Directory | None = runtime.parts.get(Directory)
    if found is None:
        found = Directory(runtime.settings.area(OidcSettings).timeout)
        runtime.parts[Directory] = found
    return found


def safe_path(path: str) -> str:
    """A path of our own pages to go to in the end; ``/`` for anything that could lead elsewhere."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\"))
    clean = path.isascii() and path.isprintable() and "\\" not in path and len(path) <= 512
    return path if plain and clean else "/"


async def begin(
    runtime: Runtime,
    *,
    provider: Provider,
    purpose: str,
    browser: str,
    site: str,
    address: str,
    next_path: str = "/",
    user_id: UUID | None = None,
    session_id: UUID | None = None,
) -> Begun:
    """Begin a trip.

    Args:
        runtime: This process.
        provider: Where to.
        purpose: One of :data:`PURPOSES`.
        browser: The handle in its cookie.
        site: The address that the browser comes back to.
        address: Where it is.
        next_path: Where its page goes in the end.
        user_id: Who links or proves; None for who signs in.
        session_id: Their session.

    Raises:
        ProviderUnavailable: the provider's document can't be had.
        TooManyCeremonies: too many have begun at this address.
    """
    state = secrets.token_urlsafe(32)
    redirect_uri = f"{site}/api/v1/auth/oidc/{provider.id}/callback"
    try:
        # Asked before the transaction, which no network call is made in.
        url = await exchange.authorization_url(
            directory_of(runtime),
            provider,
            _trip(runtime, state, redirect_uri),
            afresh=purpose == REAUTHENTICATE,
        )
    except OutboundError as error:
        raise _unavailable(provider, error) from error
    async with runtime.db.transaction() as session:
        await ceremonies.begin(
            session,
            purpose=_AWAY,
            handle=state,
            address=address,
            data={
                "provider": provider.id,
                "purpose": purpose,
                "browser": ceremonies.digest_of(browser),
                "redirect_uri": redirect_uri,
                "next": safe_path(next_path),
                "begun": time.time(),
                "user_id": str(user_id) if user_id else None,
                "session_id": str(session_id) if session_id else None,
            },
        )
    return Begun(url)


async def come_back(
    runtime: Runtime,
    *,
    provider: Provider,
    browser: str,
    state: str,
    code: str | None,
    error: str | None,
    iss: str | None,
) -> str:
    """Take what a browser came back with, and keep what it means until its page asks.

    Nothing is refused here: the browser is on its way to a page, and the page is told.

    Returns:
        The trip's purpose, for the page; empty when there was no such trip.
    """
    try:
        async with runtime.db.transaction() as session:
            away = (await ceremonies.take(session, purpose=_AWAY, handle=state)).data
    except CeremonyOver:
        return ""
    theirs = hmac.compare_digest(str(away["browser"]), ceremonies.digest_of(browser))
    if not theirs or away["provider"] != provider.id:
        log.warning("an answer of %s came back to another browser or path", provider.id)
        return ""
    result: dict[str, Any] = dict(away)
    try:
        result["account"] = asdict(
            await _found(
                runtime,
                provider=provider,
                state=state,
                away=away,
                code=code,
                error=error,
                iss=iss,
            )
        )
    except OutboundError as failure:
        log.warning("%s could not be asked: %s", provider.id, failure)
        result["unavailable"] = True
    except (Denied, BadIdToken) as failure:
        log.warning("what %s said was refused: %s", provider.id, failure)
        result["refused"] = str(failure) if isinstance(failure, Denied) else "bad_id_token"
    purpose = str(away["purpose"])
    async with runtime.db.transaction() as session:
        await ceremonies.begin(
            session, purpose=_back(purpose), handle=browser, data=result, minutes=2
        )
    return purpose


@dataclass(frozen=True, slots=True)
class Back:
    """Somebody who has come back from another service."""

    account: Account
    provider_id: str
    next_path: str
    user_id: UUID | None
    session_id: UUID | None
    begun: float
    """When the trip began, in unix seconds."""


async def fetch(runtime: Runtime, *, purpose: str, browser: str) -> Back:
    """What the browser came back with, once.

    Raises:
        CeremonyOver: nothing, or it was fetched before.
        ProviderUnavailable, IdentityRefused: the provider did not confirm anybody.
    """
    if not browser:
        raise CeremonyOver
    async with runtime.db.transaction() as session:
        data = (await ceremonies.take(session, purpose=_back(purpose), handle=browser)).data
    provider = provider_of(runtime, str(data["provider"]))
    if data.get("unavailable"):
        raise _unavailable(provider, None)
    if data.get("refused"):
        raise _refused(provider, str(data["refused"]))
    return Back(
        account=Account(**data["account"]),
        provider_id=provider.id,
        next_path=str(data["next"]),
        user_id=_uuid(data["user_id"]),
        session_id=_uuid(data["session_id"]),
        begun=float(data["begun"]),
    )


async def _found(
    runtime: Runtime,
    *,
    provider: Provider,
    state: str,
    away: dict[str, Any],
    code: str | None,
    error: str | None,
    iss: str | None,
) -> Account:
    directory = directory_of(runtime)
    await exchange.check_issuer(directory, provider, iss)
    if error is not None or not code:
        raise Denied(exchange.shown(error or "no_code")[:64])
    trip = _trip(runtime, state, str(away["redirect_uri"]))
    return await exchange.account(directory, provider, trip, code=code)


def _trip(runtime: Runtime, state: str, redirect_uri: str) -> Trip:
    key = runtime.secrets.derived("accounts.oidc")

    def derived(purpose: str) -> str:
        mac = hmac.digest(key, f"{purpose}:{state}".encode(), "sha256")
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()

    return Trip(state, derived("verifier"), derived("nonce"), redirect_uri)


def _back(purpose: str) -> str:
    return f"oidc.{purpose}"


def _uuid(text: Any) -> UUID | None:
    return UUID(text) if isinstance(text, str) else None


def _unavailable(provider: Provider, error: OutboundError | None) -> ProviderUnavailable:
    if error is not None:
        log.warning("%s could not be asked: %s", provider.id, error)
    return ProviderUnavailable(
        f"{provider.name} does not answer as it should. Try again in a moment, or sign in in "
        "another way; the log says more."
    )


def _refused(provider: Provider, why: str) -> IdentityRefused:
    if why == "access_denied":
        return IdentityRefused(f"You did not allow it at {provider.name}.")
    return IdentityRefused(
        f"What came back from {provider.name} can't be taken for a proof of who you are. Begin "
        "again; the log says more."
    )
