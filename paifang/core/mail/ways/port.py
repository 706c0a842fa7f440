"""What a way out for mails does, and what it says of an attempt."""

import re
import ssl
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from paifang.core.mail.models import Mail, MailState


class Trouble(StrEnum):
    """What is wrong with a way out itself, whichever the mail. It rests then."""

    AWAY = "away"
    """It can't be reached, does not answer in time, or is broken."""
    CONFIGURATION = "configuration"
    """A wrong key, a sender it does not know: somebody has to mend that."""
    ENOUGH = "enough"
    """It has had enough for now: a rate, or a quota."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt."""

    state: MailState
    """``queued`` means: not now, try again later."""
    error: str | None = None
    trouble: Trouble | None = None
    """Set when it is not this mail's fault; the next way out may do better."""
    rest: float | None = None
    """Seconds the way asks to be left alone."""
    settled: bool = False
    """With ``queued``: it has this mail in hand, so no other way out may be tried now."""
    way: str | None = None
    """Which way out the mail took."""


class WayOutTrouble(Exception):
    """A way out can't be used; the message says why."""


class Way(Protocol):
    """A way out."""

    name: str
    """For people: ``resend``, ``smtp mail.example.org:587``. Holds no secret."""
    attempt_seconds: float
    """How long one attempt may take, all in all."""

    async def send(self, mail: Mail) -> Outcome:
        """Make one attempt. What goes wrong is in the outcome, not raised."""

    async def probe(self) -> str:
        """Connect and sign in without sending anything; what was found, in a sentence.

        Raises:
            WayOutTrouble: it can't be used.
        """


@lru_cache(maxsize=1)
def default_tls_context() -> ssl.SSLContext:
    """The system's root certificates; reading them takes 20 ms."""
    return ssl.create_default_context()


def one_line(text: str, *hidden: str | None) -> str:
    """The text in a line of at most 500 characters, what is to be hidden replaced."""
    for secret in filter(None, hidden):
        text = re.sub(re.escape(secret), "***", text, flags=re.IGNORECASE)
    clean = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(clean.split())[:500]
