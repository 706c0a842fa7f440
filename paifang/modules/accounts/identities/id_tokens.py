"""Whether an ID token is to be believed (OpenID Connect Core 1.0, section 3.1.3.7)."""

import hmac
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from paifang.modules.accounts.identities.discovery import Directory
from paifang.modules.accounts.providers.kinds import Provider

KINDS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "OKP"),
}
"""Signatures that count, and the kind of key each is made with. ``none`` and those made with a
secret that both sides have are not among them.
"""
LEEWAY = 60
"""Seconds by which clocks may differ."""
LONGEST = 65_536


class BadIdToken(Exception):
    """The ID token is not to be believed; the message is for the log."""


async def verified(
    text: str, *, directory: Directory, provider: Provider, nonce: str, now: float
) -> dict[str, Any]:
    """The claims of an ID token.

    Raises:
        BadIdToken: it is not signed by the issuer, not for us, not of this sign-in, or over.
        OutboundError: the issuer's keys can't be had.
    """
    if len(text) > LONGEST:
        raise BadIdToken("it is too long")
    try:
        header = extract_compact(text.encode()).headers()
    except (JoseError, ValueError, TypeError) as error:
        raise BadIdToken("it is no signed token") from error
    algorithm, kid = header.get("alg"), header.get("kid")
    kind = KINDS.get(algorithm) if isinstance(algorithm, str) else None
    if kind is None:
        raise BadIdToken("its algorithm is not allowed")
    if "crit" in header or str(header.get("typ", "JWT")).upper() != "JWT":
        raise BadIdToken("it is another kind of token")
    if kid is not None and not isinstance(kid, str):
        raise BadIdToken("its key id is no text")
    key = await directory.key(provider, kid=kid, kty=kind)
    if key is None or key.get("alg", algorithm) != algorithm:
        raise BadIdToken("it is signed with a key that its issuer does not have")
    try:
        claims = jwt.decode(text, key, algorithms=[str(algorithm)]).claims
    except (JoseError, ValueError, TypeError) as error:
        raise BadIdToken("its signature is wrong") from error
    _check(claims, provider, nonce, now)
    return claims


def _check(claims: dict[str, Any], provider: Provider, nonce: str, now: float) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if claims.get("iss") != provider.issuer:
        raise BadIdToken("it is of another issuer")
    if not isinstance(audiences, list) or provider.client_id not in audiences:
        raise BadIdToken("it is for somebody else")
    party = claims.get("azp", provider.client_id if len(audiences) == 1 else None)
    if party != provider.client_id:
        raise BadIdToken("it was given to somebody else")
    _check_times(claims, now)
    told = claims.get("nonce")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise BadIdToken("it is of another sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise BadIdToken("it names nobody")
    if not subject.isascii() or not subject.isprintable():
        raise BadIdToken("its name for somebody is no name")


def _check_times(claims: dict[str, Any], now: float) -> None:
    for name in ("exp", "iat"):
        if isinstance(claims.get(name), bool) or not isinstance(claims.get(name), int | float):
            raise BadIdToken(f"{name} is missing")
    if now >= claims["exp"] + LEEWAY:
        raise BadIdToken("it is over")
    if max(claims["iat"], _number(claims.get("nbf"))) > now + LEEWAY:
        raise BadIdToken("it is of the future")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
