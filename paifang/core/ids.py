"""Identifiers: UUIDv7 (RFC 9562, section 5.7), which sort by the time they were made."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A new UUIDv7: 48 bits of unix milliseconds, then 74 random bits.

    The standard library has this from Python 3.14 on; Paifang runs on 3.11.
    """
    millis = time.time_ns() // 1_000_000
    value = (millis << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (7 << 76)
    value = (value & ~(0x3 << 62)) | (2 << 62)
    return UUID(int=value)
