"""Known devices: a cookie by which a browser shows that somebody has signed in on it before.

It lets nobody in. It tells the person's own device from a stranger's, so that a stranger's
guessing slows the stranger down and not them, and so that a sign-in on a new device is told by
mail. It holds a random number and, for each of the last few people, a signature over both.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from paifang.core.secrets import Secrets

NAME = "paifang-device"
SECONDS = 400 * 86_400
"""As long as browsers keep a cookie."""
PEOPLE = 4
"""Of one browser."""
_ID_CHARS = 32
_MARK_CHARS = 32


@dataclass(frozen=True, slots=True)
class Device:
    """A browser."""

    id: str
    marks: tuple[str, ...] = ()
    """One for each person who has signed in on it, the last one first."""


class DeviceCookies:
    """Reads and writes the cookie with this installation's key."""

    def __init__(self, keys: Secrets) -> None:
        self._key = keys.derived("accounts.device")

    def read(self, cookies: Mapping[str, str], *, https: bool) -> Device:
        """The browser of a request; a new one when it brought no such cookie."""
        device, *marks = cookies.get(name(https=https), "").split(".")
        if len(device) == _ID_CHARS and device.isalnum() and device.isascii():
            return Device(device, tuple(m for m in marks if len(m) == _MARK_CHARS)[:PEOPLE])
        return Device(secrets.token_hex(_ID_CHARS // 2))

    def knows(self, device: Device, user_id: UUID) -> bool:
        """Whether the person has signed in on it before."""
        mine = self._mark(device, user_id)
        return any(hmac.compare_digest(mine, mark) for mark in device.marks)

    def write(self, response: Response, device: Device, user_id: UUID, *, https: bool) -> None:
        """Have the browser remember the person."""
        mine = self._mark(device, user_id)
        marks = [mine, *(mark for mark in device.marks if mark != mine)][:PEOPLE]
        response.set_cookie(
            name(https=https),
            ".".join([device.id, *marks]),
            max_age=SECONDS,
            path="/",
            secure=https,
            httponly=True,
            samesite="lax",
        )

    def _mark(self, device: Device, user_id: UUID) -> str:
        return hmac.digest(self._key, device.id.encode() + user_id.bytes, "sha256")[:16].hex()


def name(*, https: bool) -> str:
    """The cookie's name; browsers take the prefix from this very host alone, by HTTPS."""
    return f"__Host-{NAME}" if https else NAME
