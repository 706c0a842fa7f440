"""What the providers' HTTP APIs have in common: asking one question, in time."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, unquote

from paifang import __version__
from paifang.core.db import utc_now
from paifang.core.mail.models import Mail, MailState
from paifang.core.mail.ways.port import (
    Outcome,
    Trouble,
    WayOutTrouble,
    default_tls_context,
    one_line,
)
from paifang.core.mail.ways.smtp import is_loopback
from paifang.core.settings import SettingsError

if TYPE_CHECKING:
    import httpx

MAX_ANSWER = 256 * 1024
"""Bytes of an answer that are read; theirs have a few hundred."""
LONGEST_REST = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said."""

    status: int
    body: Mapping[str, Any]
    """The JSON object; empty when there is none."""
    rest: float | None
    """Seconds of ``Retry-After``."""


class NoAnswer(Exception):
    """The provider was not reached, or did not answer in time; the message says which."""


class ApiBackend:
    """A provider's HTTP API: ``name://KEY``, or ``name://KEY@host:port`` for another place.

    Another place is asked over HTTPS, except on the loopback. Redirects are not followed: they
    would take the key along.

    Args:
        url: The way out, as it stands in the settings.
        sender: The From address.
        timeout: Seconds for the whole answer.
        variable: The setting the URL is from.

    Raises:
        SettingsError: the URL can't be right.
    """

    kind: str
    host: str
    """Where the API is."""
    options: frozenset[str] = frozenset()

    def __init__(self, url: SplitResult, *, sender: Address, timeout: float, variable: str) -> None:
        key, at, place = url.netloc.rpartition("@")
        if not at:
            key, place = place, self.host
        self._key = unquote(key)
        self.given = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            here = is_loopback((url.hostname or "") if at else place)
            usable = bool(self._key) and self._key.isascii() and self._key.isprintable()
            usable = usable and url.path in {"", "/"} and set(self.given) <= self.options
            usable = usable and (url.port if at else None) != 0 and bool(place)
        except ValueError:
            usable = False
        if not usable or " " in self._key:
            raise SettingsError(
                f"{variable}: {self.kind} is written {self.kind}://KEY, with the key as the "
                "provider shows it"
            )
        self.base_url = f"{'http' if here else 'https'}://{place}"
        self.name = f"{self.kind} {place}" if at else self.kind
        self.sender = sender
        self.timeout = timeout
        self.attempt_seconds = timeout

    async def ask(
        self, method: str, path: str, *, headers: Mapping[str, str], body: Any = None
    ) -> Answer:
        """Ask, and read the answer up to its end.

        Raises:
            NoAnswer: there is none.
        """
        import httpx  # noqa: PLC0415  # megabytes, for those who send by API

        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"paifang/{__version__}",
            **headers,
        }
        try:
            async with (
                asyncio.timeout(self.timeout),
                httpx.AsyncClient(
                    base_url=self.base_url,
                    verify=default_tls_context(),
                    timeout=self.timeout,
                    follow_redirects=False,
                ) as client,
                client.stream(method, path, headers=headers, json=body) as response,
            ):
                return await _read(response)
        except TimeoutError:
            raise NoAnswer(f"no answer within {self.timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            said = f"{type(error).__name__}: {error}"
            raise NoAnswer(one_line(said, self._key)) from error

    def trouble(
        self, mail: Mail, kind: Trouble, said: str, *, rest: float | None = None
    ) -> Outcome:
        """The way out is in trouble, whichever the mail."""
        return Outcome(MailState.QUEUED, self._line(said, mail), kind, rest)

    def refused(self, mail: Mail, said: str) -> Outcome:
        """This very mail is refused, for good."""
        return Outcome(MailState.FAILED, self._line(said, mail))

    def _line(self, said: str, mail: Mail) -> str:
        return one_line(said, self._key, mail.to)

    def unusable(self, said: str) -> WayOutTrouble:
        """What :meth:`probe` raises."""
        return WayOutTrouble(one_line(said, self._key))


async def _read(response: "httpx.Response") -> Answer:
    content = b""
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > MAX_ANSWER:
            break
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    return Answer(
        response.status_code,
        body if isinstance(body, dict) else {},
        _seconds(response.headers.get("retry-after", "")),
    )


def _seconds(text: str) -> float | None:
    """What ``Retry-After`` asks for, in either of its forms."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - utc_now()).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), LONGEST_REST) if seconds == seconds else None  # noqa: PLR0124  # "nan" is a float too


def text_of(body: Mapping[str, Any], field: str) -> str:
    """A text field of an answer; empty when it holds none."""
    value = body.get(field)
    return value if isinstance(value, str) else ""
