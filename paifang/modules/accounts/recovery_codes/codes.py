"""How a recovery code looks.

Five groups of five of Crockford's base32, 125 random bits: enough that a plain SHA-256 of it tells
nobody anything (ASVS 6.5.2 draws that line at 112). Letters that look like digits are taken for
them.
"""

import hashlib
import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
GROUPS = 5
LENGTH = 5
_ALIKE = str.maketrans({"i": "1", "l": "1", "o": "0", "-": "", "u": "v"})


def new_code() -> str:
    """A fresh code, as people see it."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(LENGTH)) for _ in range(GROUPS))


def digest_of(code: str) -> str:
    """What is kept of a code, however it was typed."""
    plain = "".join(code.split()).lower().translate(_ALIKE)
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
