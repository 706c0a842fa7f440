"""Keeping secrets out of the logs: keys, authorization headers, passwords, known values.

A net under the rule that nobody logs a secret, not a licence to log one. It knows shapes (keys
of Paifang and of providers, headers, URLs, ``password=``) and values (:func:`hide`).
"""

import dataclasses
import logging
import re
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

from paifang.core.settings import Secret, Section

MASK = "***"
MAX_TEXT = 65_536
"""Characters kept of one message, stack or extra value; the rest is cut off."""

_MIN_HIDDEN = 8  # hiding "admin" everywhere would make the logs unreadable
_MAX_DEPTH = 6

# No pattern repeats without a bound around another repeat: a line is at most linear work, also
# when a stranger wrote it. A rule runs only when one of its words is in the lower-cased text.
_Rule = tuple[tuple[str, ...], re.Pattern[str], str]
_RULES: tuple[_Rule, ...] = (
    (  # Authorization: Bearer x | {'authorization': 'Bearer x'} | (b'cookie', b'x')
        ("authorization", "api-key", "cookie"),
        re.compile(
            r"((?:authorization|x-api-key|x-goog-api-key|api-key|cookie)\\{0,4}"
            r"(?:['\"]\s{0,8},|['\"]?\s{0,8}[:=])\s{0,8})"
            r"(b(?=\\{0,4}['\"]))?(?:\\{0,4}(['\"])(?:\\.|(?!\3)[^\\\r\n])*\3?|[^\r\n]+)",
            re.IGNORECASE,
        ),
        rf"\1\2\3{MASK}\3",
    ),
    (
        ("bearer ", "basic "),
        re.compile(r"\b(bearer |basic (?=\S{16}))[\w.~+/=-]{8,}", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    (  # \\[nrt]: a key at the start of a line of text that was printed with repr()
        ("pf_", "sk-", "gsk_", "hf_", "xai-", "aiza"),
        re.compile(
            r"(pf_[a-z]{2,12}_|(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))(?:sk-|gsk_|hf_|xai-|AIza))[\w-]{6,}"
        ),
        rf"\1{MASK}",
    ),
    (  # scheme://user:password@host, but not http://host:8000/path
        ("://",),
        re.compile(
            r"(://[^\s:/@\"'<>]{0,256}:)(?!\d{1,5}(?:[/?#\s\"',;)\]}>]|$))[^\s\"<>]{1,512}@"
        ),
        rf"\1{MASK}@",
    ),
    (  # password=x | "client_secret": "x" | ?api_key=x
        ("passw", "secret", "key", "_token"),
        re.compile(
            r"((?:password|passwd|secret|secret_key|api_?key|access_key|admin_key|"
            r"access_token|refresh_token)\\{0,4}['\"]?\s{0,8}[:=]\s{0,8})"
            r"(?:\\{0,4}(['\"])(?:\\.|(?!\2)[^\\\r\n])*\2?|[^\s&,;)\]}'\"]+)",
            re.IGNORECASE,
        ),
        rf"\1\2{MASK}\2",
    ),
)
_SECRET_NAME = re.compile(
    r"(?:\w*[_-])?(?:password|passwd|secret|authorization|api[_-]?key|secret[_-]?key|admin[_-]?key|"
    r"access[_-]?token|refresh[_-]?token|set-cookie|cookies?|credentials?)|token",
    re.IGNORECASE,
)

_hidden: tuple[str, ...] = ()


def hide(secret: Secret | str) -> None:
    """Mask this very value in every line from now on, in this process.

    A URL hides its password only. Values under 8 characters are not hidden: they may be words.
    """
    global _hidden  # noqa: PLW0603  # one set of known secrets per process, like logging itself
    value = secret.get_secret_value() if isinstance(secret, Secret) else secret
    found = set(_hidden)
    if "://" in value:
        password = _url_password(value)
        found |= {password, unquote(password)}
    else:
        found |= {value, *re.split(r"[,\s]+", value)}
    # Longest first: a value that contains another must not be cut open by it.
    _hidden = tuple(sorted((v for v in found if len(v) >= _MIN_HIDDEN), key=len, reverse=True))


def hide_secrets(settings: Section) -> None:
    """:func:`hide` every secret of the settings, nested areas included."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Secret):
            hide(value)
        elif isinstance(value, Section):
            hide_secrets(value)


def _url_password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


def redact(text: str) -> str:
    """The text with every secret it is known to hold masked, cut off at ``MAX_TEXT``."""
    # Cut generously first and exactly afterwards: a secret at the edge is still whole when it
    # is looked for, and a huge text is not searched to its end.
    cut = len(text) > MAX_TEXT
    if cut:
        text = text[: MAX_TEXT + 2048]
    for value in _hidden:
        if value in text:
            text = text.replace(value, MASK)
    lower = text.lower()
    for words, pattern, replacement in _RULES:
        if any(word in lower for word in words):
            text = pattern.sub(replacement, text)
    return f"{text[:MAX_TEXT]} [cut off]" if cut else text


def clean(value: object, *, name: str = "", depth: int = 0) -> object:
    """A value made fit for a JSON line: secrets masked, odd types as text."""
    if name and _SECRET_NAME.fullmatch(name):
        return MASK
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int) and abs(value) < 2**63:  # what orjson can write
        return value
    if depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            return {
                redact(str(k)): clean(v, name=str(k), depth=depth + 1) for k, v in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [clean(item, depth=depth + 1) for item in value]
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    return redact(_text(lambda: str(value)))


def _text(make: Callable[[], str]) -> str:
    try:
        return make()
    except Exception as error:  # noqa: BLE001  # a broken __str__ must not lose the line
        return f"[not printable: {type(error).__name__}]"


STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",  # uvicorn's second copy of its message
}
"""Attributes of a record that are not extra fields."""


class RedactionFilter(logging.Filter):
    """Masks secrets in message, arguments, stack and extra fields of a record, once."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; never drops one."""
        if getattr(record, "_redacted", False):
            return True
        record.msg = redact(_message(record))
        record.args = None
        if record.exc_info and not record.exc_text:
            exc_info = record.exc_info
            record.exc_text = _text(lambda: logging.Formatter().formatException(exc_info))
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        for name in record.__dict__.keys() - STANDARD:
            setattr(record, name, clean(getattr(record, name), name=name))
        record._redacted = True  # noqa: SLF001  # our own mark, kept out of the extra fields
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001  # the line matters more than its formatting
        return f"{record.msg} [arguments do not fit: {type(error).__name__}]"
