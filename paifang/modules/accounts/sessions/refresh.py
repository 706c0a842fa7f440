"""Refresh tokens: which session, and which of its refreshes.

``version | session id | counter | HMAC-SHA-256, cut to 128 bits``, base64url. Nothing of it is
stored but the session's counter, so a token that was stolen and one that was lost are told apart
by how far they are behind.
"""

import hashlib
import hmac
from binascii import Error as Base64Error
from dataclasses import dataclass
from uuid import UUID

from paifang.modules.accounts.sessions.jwt import TokenError, decode, encode

VERSION = 1
MAC_BYTES = 16
MAX_LENGTH = 128
MAX_COUNTER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Refresh:
    """What a refresh token says."""

    session_id: UUID
    counter: int


def make(key: bytes, refresh: Refresh) -> str:
    """The token."""
    body = bytes([VERSION]) + refresh.session_id.bytes + _varint(refresh.counter)
    return encode(body + _sign(key, body))


def read(key: bytes, token: str) -> Refresh:
    """What a token of ours says. Raises :class:`TokenError`."""
    if len(token) > MAX_LENGTH or not token.isascii():
        raise TokenError("not a refresh token")
    try:
        data = decode(token)
    except (Base64Error, ValueError) as error:
        raise TokenError("not a refresh token") from error
    body, mac = data[:-MAC_BYTES], data[-MAC_BYTES:]
    if not hmac.compare_digest(mac, _sign(key, body)) or encode(data) != token:
        raise TokenError("its signature is wrong")
    if len(body) < 18 or body[0] != VERSION:
        raise TokenError("it is of another version")
    counter = 0
    for place, byte in enumerate(body[17:]):
        counter |= (byte & 0x7F) << (7 * place)
    return Refresh(UUID(bytes=body[1:17]), min(counter, MAX_COUNTER))


def _varint(number: int) -> bytes:
    found = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        found.append(low | (0x80 if number else 0))
        if not number:
            return bytes(found)


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, hashlib.sha256)[:MAC_BYTES]
