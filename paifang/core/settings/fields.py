"""How a setting is declared, and how the text of a variable becomes its value.

Pydantic does this for the API. Settings are read by every process, and for seven kinds of values
it would be a seventh of the memory of one that only relays calls. What is said of a wrong value
is said in Pydantic's words, so that both speak alike.
"""

import dataclasses
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

T = TypeVar("T")


class Secret:
    """Text that nobody sees by accident: neither ``repr`` nor ``str`` shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        """The text itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Secret('{self}')"

    def __str__(self) -> str:
        return "**********" if self._value else ""


@dataclass(frozen=True)
class Setting:
    """What is known of a setting beside its name and its kind."""

    default: Any
    description: str
    """A sentence or more, for the reference."""
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    pattern: str | None = None
    """What the whole text must match."""
    check: Callable[[str], None] | None = None
    """Raises ``ValueError`` for a text that can't be right."""

    def read(self, kind: Any, text: str) -> Any:
        """The value of a kind that a text stands for.

        Raises:
            ValueError: it stands for none, or for one that can't be right; the text is not
                repeated, it may be a secret in the wrong place.
        """
        value = _value(kind, text)
        for limit, holds, words in (
            (self.ge, operator.ge, "greater than or equal to"),
            (self.gt, operator.gt, "greater than"),
            (self.le, operator.le, "less than or equal to"),
            (self.lt, operator.lt, "less than"),
        ):
            if limit is not None and not holds(value, limit):
                raise ValueError(f"Input should be {words} {limit}")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise ValueError(f"String should match pattern '{self.pattern}'")
        if self.check is not None:
            try:
                self.check(value)
            except ValueError as error:
                raise ValueError(f"Value error, {error}") from None
        return value


_KEY: Final = "setting"


def setting(
    default: T,
    description: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    pattern: str | None = None,
    check: Callable[[str], None] | None = None,
) -> T:
    """A field of a section.

    ``port: int = setting(8000, "Port to listen on.", ge=0, le=65535)``
    """
    record = Setting(default, description, ge, gt, le, lt, pattern, check)
    declared: T = dataclasses.field(default=default, metadata={_KEY: record})
    return declared


@dataclass(frozen=True)
class Section:
    """Base of one area of settings, a frozen dataclass of settings and of further areas."""


def own(section: type[Section]) -> Iterator[tuple[str, Any, Setting]]:
    """The settings of a section itself: name, kind and what else is known."""
    for field in dataclasses.fields(section):
        if _KEY in field.metadata:
            yield field.name, field.type, field.metadata[_KEY]


def areas(section: type[Section]) -> Iterator[tuple[str, type[Section]]]:
    """The areas within a section, by name."""
    for field in dataclasses.fields(section):
        if isinstance(field.type, type) and issubclass(field.type, Section):
            yield field.name, field.type


def _value(kind: Any, text: str) -> Any:
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if text not in choices:
            *others, last = (f"'{choice}'" for choice in choices)
            raise ValueError(f"Input should be {', '.join(others)} or {last}")
        return text
    return _KINDS[kind](text)


def _bool(text: str) -> bool:
    word = text.strip().lower()
    if word not in _SWITCH:
        raise ValueError("Input should be a valid boolean, unable to interpret input")
    return _SWITCH[word]


_SWITCH = {
    **dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True),
    **dict.fromkeys(("0", "off", "f", "false", "n", "no"), False),
}


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            "Input should be a valid integer, unable to parse string as an integer"
        ) from None


def _float(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(
            "Input should be a valid number, unable to parse string as a number"
        ) from None
    if not math.isfinite(number):
        raise ValueError("Input should be a finite number")
    return number


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        # Bytes of the environment or of the command line that Python has kept as they were.
        raise ValueError("Input should be valid UTF-8 text") from None
    return text


def _path(text: str) -> Path:
    return Path(_text(text))


_KINDS: Mapping[Any, Callable[[str], Any]] = {
    bool: _bool,
    int: _int,
    float: _float,
    str: _text,
    Path: _path,
    Path | None: _path,
    Secret: Secret,
}
