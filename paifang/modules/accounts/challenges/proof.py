"""Proof of work in ALTCHA's first format: find the number behind the salt that gives the hash.

The challenge is signed, so that nothing of it is stored until it is solved. It costs a browser a
fraction of a second and whoever tries a million passwords a machine; no third party sees anything.
"""

import hashlib
import hmac
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any
from urllib.parse import parse_qs

import orjson

ALGORITHM = "SHA-256"
MAX_SOLUTION = 1024


class ProofError(ValueError):
    """A solution that must not be accepted; the message says why."""


def make(key: bytes, *, number: int, seconds: int, now: float) -> dict[str, Any]:
    """A challenge as a client gets it.

    Args:
        key: The signing key.
        number: Difficulty: the number to find is at most this.
        seconds: How long a solution is accepted.
        now: Unix seconds.
    """
    salt = f"{secrets.token_hex(12)}?expires={int(now) + seconds}&"
    challenge = _hash(salt, secrets.randbelow(number + 1))
    return {
        "algorithm": ALGORITHM,
        "challenge": challenge,
        "maxnumber": number,
        "salt": salt,
        "signature": _sign(key, challenge),
    }


def verify(key: bytes, solution: str, *, now: float) -> tuple[str, float]:
    """The challenge that was solved, and until when it counts, in unix seconds.

    Whether it has been used before is asked elsewhere.

    Args:
        key: The signing key.
        solution: Base64 of a JSON object: the challenge, and ``number``.
        now: Unix seconds.

    Raises:
        ProofError: it is not solved, not ours or over.
    """
    if len(solution) > MAX_SOLUTION:
        raise ProofError("too long")
    try:
        given = orjson.loads(b64decode(solution, validate=True))
        challenge, salt, signature = given["challenge"], given["salt"], given["signature"]
        algorithm, number = given["algorithm"], given["number"]
        expires = int(parse_qs(salt.partition("?")[2])["expires"][0])
    except (Base64Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProofError("malformed") from error
    if not all(isinstance(text, str) and text.isascii() for text in (challenge, salt, signature)):
        raise ProofError("malformed")
    if algorithm != ALGORITHM or type(number) is not int or not 0 <= number <= 2**53:
        raise ProofError("malformed")
    if not hmac.compare_digest(signature, _sign(key, challenge)):
        raise ProofError("not ours")
    if not hmac.compare_digest(challenge, _hash(salt, number)):
        raise ProofError("not solved")
    if now >= expires:
        raise ProofError("over")
    return challenge, float(expires)


def _hash(salt: str, number: int) -> str:
    return hashlib.sha256(f"{salt}{number}".encode()).hexdigest()


def _sign(key: bytes, challenge: str) -> str:
    return hmac.digest(key, challenge.encode(), "sha256").hex()
