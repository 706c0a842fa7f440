"""Signed tokens with one algorithm and one purpose each (RFC 7519, HS256).

What they may be is fixed on both ends, so nothing in a token is asked how to verify it: the header
is compared as a whole.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Any

import orjson

SKEW = 30
"""Seconds by which another machine's clock may be ahead."""
MAX_LENGTH = 2048


class TokenError(ValueError):
    """A token that must not be accepted; the message says why."""


class ExpiredTokenError(TokenError):
    """It was ours, and its time is over."""


class Jwt:
    """Makes and reads the tokens of one purpose.

    Args:
        key: At least 32 bytes, used for this purpose alone.
        kind: The header's ``typ``.
        audience: The claim ``aud``.
        seconds: How long one lives.
    """

    def __init__(self, key: bytes, *, kind: str, audience: str, seconds: int) -> None:
        if len(key) < 32:
            raise ValueError("a signing key has at least 32 bytes")
        self._key = key
        self._head = encode(orjson.dumps({"alg": "HS256", "typ": kind}))
        self._audience = audience
        self.seconds = seconds

    def make(self, claims: dict[str, Any], *, now: float) -> str:
        """A token with these claims and its times; ``now`` in unix seconds."""
        made = int(now)
        times = {"aud": self._audience, "iat": made, "exp": made + self.seconds}
        signed = f"{self._head}.{encode(orjson.dumps({**claims, **times}))}"
        return f"{signed}.{encode(self._sign(signed))}"

    def read(self, token: str, *, now: float) -> dict[str, Any]:
        """The claims of a token of ours.

        Raises:
            ExpiredTokenError: it is over.
            TokenError: it is not one of ours, or not for this.
        """
        if len(token) > MAX_LENGTH or not token.isascii() or token.count(".") != 2:
            raise TokenError("not a token")
        signed, _, signature = token.rpartition(".")
        head, _, payload = signed.partition(".")
        if head != self._head:
            raise TokenError("its header is not ours")
        if not hmac.compare_digest(signature, encode(self._sign(signed))):
            raise TokenError("its signature is wrong")
        try:
            claims = orjson.loads(decode(payload))
            audience, made, expires = claims["aud"], claims["iat"], claims["exp"]
        except (Base64Error, ValueError, TypeError, KeyError) as error:
            raise TokenError("its payload is malformed") from error
        if audience != self._audience:
            raise TokenError("it is for somebody else")
        if type(made) is not int or type(expires) is not int or expires - made > self.seconds:
            raise TokenError("its times are malformed")
        if now >= expires:
            raise ExpiredTokenError("it has expired")
        if now < made - SKEW:
            raise TokenError("it was made in the future: compare the clocks of the machines")
        found: dict[str, Any] = claims
        return found

    def _sign(self, signed: str) -> bytes:
        return hmac.digest(self._key, signed.encode("ascii"), hashlib.sha256)


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of :func:`encode`. Raises ``binascii.Error`` or ``ValueError``."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
