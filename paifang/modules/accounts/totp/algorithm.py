"""Time-based one-time passwords (RFC 6238 over RFC 4226): SHA-1, 6 digits, 30 s.

These are the parameters that every authenticator app knows; several ignore any others.
"""

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote, urlencode

STEP = 30
"""Seconds for which a code stands."""
DIGITS = 6
DRIFT = 1
"""Steps by which the app's clock may be off, before and after."""
SECRET_BYTES = 20
"""As long as the hash, as RFC 4226 advises."""


def new_secret() -> str:
    """A secret in base32, as apps take it by hand."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def code_at(secret: str, step: int) -> str:
    """The code of a step."""
    mac = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1)
    start = mac[-1] & 15
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def matching_step(secret: str, code: str, *, at: float, after: int) -> int | None:
    """The step that a code is of.

    Args:
        secret: In base32.
        code: What the person typed, digits alone.
        at: The time, in seconds since 1970.
        after: The step of the last code that was taken; none of then or before counts.

    Returns:
        The step; None when the code is of none that counts now.
    """
    now = int(at) // STEP
    found = None
    # All of them each time: how long it takes tells nothing.
    for step in range(now - DRIFT, now + DRIFT + 1):
        same = hmac.compare_digest(code_at(secret, step).encode(), code.encode())
        if same and step > after:
            found = step
    return found


def uri(secret: str, *, account: str, issuer: str) -> str:
    """The ``otpauth:`` URI that a page shows as a QR code."""
    label = quote(f"{issuer}:{account}", safe="@")
    query = urlencode(
        {
            "secret": secret,
            "issuer": issuer,
            "algorithm": "SHA1",
            "digits": DIGITS,
            "period": STEP,
        },
        quote_via=quote,
    )
    return f"otpauth://totp/{label}?{query}"
