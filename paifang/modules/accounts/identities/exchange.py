"""What is asked of a provider once a person has come back with a code. The network's part: nothing
here knows a database.
"""

import base64
import hashlib
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from paifang.core.outbound import Answer, OutboundError, call
from paifang.modules.accounts.identities import github
from paifang.modules.accounts.identities.discovery import Directory
from paifang.modules.accounts.identities.id_tokens import verified
from paifang.modules.accounts.providers.kinds import Provider


class Denied(Exception):
    """The provider said no; its own code says why."""


def shown(text: str) -> str:
    """What a provider wrote, as far as it can be seen and kept."""
    return "".join(character for character in text if character.isprintable()).strip()[:255]


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody's account at another service."""

    issuer: str
    subject: str
    email: str | None
    """Only one that the service has verified."""
    name: str
    label: str
    """What its person knows it by."""
    signed_in_at: float | None = None
    """When they signed in there, in unix seconds; None where the service does not say."""


@dataclass(frozen=True, slots=True)
class Trip:
    """What belongs to one trip to a provider. All but the address follows from the state."""

    state: str
    verifier: str
    nonce: str
    redirect_uri: str

    @property
    def challenge(self) -> str:
        """PKCE's S256 of the verifier."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def authorization_url(
    directory: Directory, provider: Provider, trip: Trip, *, afresh: bool
) -> str:
    """Where the browser is sent.

    Args:
        directory: What is known of issuers.
        provider: The service.
        trip: State, nonce and verifier.
        afresh: Ask the service to have its person sign in there again.
    """
    values = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": trip.redirect_uri,
        "scope": " ".join(provider.scopes),
        "state": trip.state,
        "code_challenge": trip.challenge,
        "code_challenge_method": "S256",
    }
    if not provider.oidc:
        return f"{github.authorize_url(provider)}?{urlencode(values)}"
    values["nonce"] = trip.nonce
    if afresh:
        values |= {"prompt": "login", "max_age": "0"}
    endpoint = (await directory.metadata(provider)).authorization_endpoint
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(values)}"


async def check_issuer(directory: Directory, provider: Provider, iss: str | None) -> None:
    """Refuse an answer that another issuer gave (RFC 9207): its code is not to be sent to this one.

    Raises:
        Denied: it names another, or none where this one always does.
    """
    if provider.oidc:
        own = {provider.issuer}
        wanted = (await directory.metadata(provider)).says_iss
    else:
        own, wanted = github.issuers(provider), False
    if (iss is None and wanted) or (iss is not None and iss not in own):
        raise Denied("mixed_up_issuer")


async def account(directory: Directory, provider: Provider, trip: Trip, *, code: str) -> Account:
    """Whose code it is.

    Raises:
        OutboundError: the service does not answer as it should.
        Denied: it takes the code for none of its own.
        BadIdToken: what it says is not to be believed.
    """
    if not provider.oidc:
        token = await _token(directory, provider, trip, code, github.token_url(provider))
        found = await github.user(provider, token, seconds=directory.seconds)
        return Account(
            issuer=provider.issuer,
            subject=found.subject,
            email=found.email,
            name=shown(found.name),
            label=shown(found.login),
        )
    metadata = await directory.metadata(provider)
    answer = await _exchange(
        directory,
        provider,
        trip,
        code=code,
        url=metadata.token_endpoint,
        basic=metadata.basic,
    )
    id_token, access_token = answer.get("id_token"), answer.get("access_token")
    if not isinstance(id_token, str):
        raise OutboundError("the answer holds no ID token")
    claims = await verified(
        id_token, directory=directory, provider=provider, nonce=trip.nonce, now=time.time()
    )
    told = claims
    if "email" not in claims and metadata.userinfo_endpoint and isinstance(access_token, str):
        userinfo = await _userinfo(directory, provider, metadata.userinfo_endpoint, access_token)
        if userinfo.get("sub") != claims["sub"]:
            raise OutboundError("userinfo is of another person than the ID token")
        told = {**claims, **userinfo}
    email = _email(told)
    name = _text(told, "name") or _text(told, "preferred_username") or ""
    return Account(
        issuer=provider.issuer,
        subject=claims["sub"],
        email=email,
        name=name,
        label=_text(told, "email") or name or claims["sub"],
        signed_in_at=_number(claims.get("auth_time")),
    )


async def _token(directory: Directory, provider: Provider, trip: Trip, code: str, url: str) -> str:
    answer = await _exchange(directory, provider, trip, code=code, url=url, basic=False)
    token = answer.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise OutboundError("the answer holds no access token")
    return token


async def _exchange(
    directory: Directory, provider: Provider, trip: Trip, *, code: str, url: str, basic: bool
) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": trip.redirect_uri,
        "code_verifier": trip.verifier,
    }
    headers = {"Accept": "application/json"}
    if provider.client_secret and basic:
        pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        form["client_id"] = provider.client_id
        if provider.client_secret:
            form["client_secret"] = provider.client_secret
    answer = await call(
        "POST", url, trusted=provider.trusted, seconds=directory.seconds, headers=headers, form=form
    )
    return _granted(answer)


def _granted(answer: Answer) -> dict[str, Any]:
    """The tokens; GitHub says no with status 200."""
    if answer.status not in {200, 400, 401}:
        raise OutboundError(f"the token endpoint answered {answer.status}")
    body = answer.json()
    if answer.status != 200 or "error" in body:
        raise Denied(shown(str(body.get("error", answer.status)))[:64])
    return body


async def _userinfo(
    directory: Directory, provider: Provider, url: str, token: str
) -> dict[str, Any]:
    answer = await call(
        "GET",
        url,
        trusted=provider.trusted,
        seconds=directory.seconds,
        headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
    )
    if answer.status != 200:
        raise OutboundError(f"userinfo answered {answer.status}")
    return answer.json()


def _email(claims: dict[str, Any]) -> str | None:
    # Some services write the word instead of the value.
    told = claims.get("email_verified")
    return _text(claims, "email") if told is True or told == "true" else None


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return shown(value) or None if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None
