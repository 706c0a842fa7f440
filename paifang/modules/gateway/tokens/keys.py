"""Keys: what a client sends. ``pf_live_<32 random characters>_<6 characters of checksum>``.

The characters are base62, so a double click selects a key whole. The random part is 190 bits,
which no one guesses, so a plain SHA-256 of it is safe to store. The checksum (CRC-32 of all
before it) tells a scanner of leaked secrets, without asking anybody, what is no key.
"""

import hashlib
import re
import secrets
import string
from zlib import crc32

KEY_PREFIX = "pf_live_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 32
CHECKSUM_LENGTH = 6
"""62**6 is more than 2**32."""
SHOWN_LENGTH = len(KEY_PREFIX) + 4
"""Characters of a key that are kept, to recognise it by; 160 random bits stay unknown."""

_SHAPE = re.compile(rf"{KEY_PREFIX}[0-9A-Za-z]{{{RANDOM_LENGTH}}}_[0-9A-Za-z]{{{CHECKSUM_LENGTH}}}")


def make_key() -> str:
    """A new key."""
    body = KEY_PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return f"{body}_{_checksum(body)}"


def looks_like_key(text: str) -> bool:
    """Whether the text has a key's form and its checksum fits; it may still be nobody's."""
    if not _SHAPE.fullmatch(text):
        return False
    body, _, checksum = text.rpartition("_")
    return _checksum(body) == checksum


def digest(key: str) -> str:
    """What is stored of a key: its SHA-256, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(body: str) -> str:
    rest = crc32(body.encode())
    characters = []
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(ALPHABET))
        characters.append(ALPHABET[digit])
    return "".join(reversed(characters))
