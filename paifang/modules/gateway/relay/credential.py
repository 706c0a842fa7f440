"""The internal credential: how our own pages call the relay for a signed-in person.

Chat, the playground and predictions call ``/v1`` like anybody else, with a bearer that says for
which group and person, and what for. It is signed, not stored, and lives for a minute:
``pf_int_<payload>.<signature>``, both base64url without padding, the payload a JSON object, the
signature HMAC-SHA-256 over everything before the dot.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass

import orjson

PREFIX = "pf_int_"
LIFETIME = 60
"""Seconds."""
SKEW = 5
"""Seconds by which the clocks of two machines may differ, in either direction."""
MAX_LENGTH = 2048
MIN_KEY_BYTES = 16

_PURPOSE = re.compile(r"[a-z_]{1,32}")


class CredentialError(ValueError):
    """An internal credential that must not be accepted; the message says why."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What an internal credential vouches for."""

    group: str
    """Id of the group that pays."""
    person: str
    """Id of the signed-in person."""
    purpose: str
    """What the call is for, e.g. ``chat``: 1 to 32 of ``a-z`` and ``_``."""


def make(key: bytes, group: str, person: str, purpose: str, now: float) -> str:
    """A credential valid for :data:`LIFETIME` seconds from ``now`` (unix seconds).

    Raises ``ValueError`` for a key that is too short, an empty group or person, or a purpose of
    another form.
    """
    _check_key(key)
    if not group or not person:
        raise ValueError("an internal credential needs a group and a person")
    if not _PURPOSE.fullmatch(purpose):
        raise ValueError(f"purpose must be 1 to 32 of a-z and _, not {purpose!r}")
    made = int(now)
    payload = orjson.dumps({"g": group, "p": person, "u": purpose, "i": made, "e": made + LIFETIME})
    signed = PREFIX + _encode(payload)
    return f"{signed}.{_encode(_sign(key, signed))}"


def verify(key: bytes, bearer: str, now: float) -> Credential:
    """What ``bearer`` vouches for. Raises :class:`CredentialError`."""
    _check_key(key)
    if not bearer.startswith(PREFIX) or len(bearer) > MAX_LENGTH or not bearer.isascii():
        raise CredentialError("not an internal credential")
    signed, _, signature = bearer.partition(".")
    if not hmac.compare_digest(signature, _encode(_sign(key, signed))):
        raise CredentialError("its signature is wrong")
    try:
        payload = orjson.loads(_decode(signed[len(PREFIX) :]))
        group, person, purpose = payload["g"], payload["p"], payload["u"]
        made, expires = payload["i"], payload["e"]
    except (Base64Error, ValueError, TypeError, KeyError) as error:
        raise CredentialError("its payload is malformed") from error
    if not all(isinstance(text, str) and text for text in (group, person, purpose)):
        raise CredentialError("its payload is malformed")
    if type(made) is not int or type(expires) is not int or expires - made > LIFETIME:
        raise CredentialError("its payload is malformed")
    if not _PURPOSE.fullmatch(purpose):
        raise CredentialError("its purpose is malformed")
    if now > expires + SKEW:
        raise CredentialError("it has expired")
    if now < made - SKEW:
        raise CredentialError("it was made in the future: compare the clocks of the machines")
    return Credential(group, person, purpose)


def _check_key(key: bytes) -> None:
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"the signing key must have at least {MIN_KEY_BYTES} bytes")


def _sign(key: bytes, signed: str) -> bytes:
    return hmac.digest(key, signed.encode("ascii"), hashlib.sha256)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
