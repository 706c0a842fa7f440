"""Values that nobody means to send, put one at a time into a call that is else as it should be.

What a tool makes of a document mostly falls at the first check. These calls are right but for one
place, so they come as far as the services and the database.
"""

from collections.abc import Iterator
from typing import Any

TEXTS: tuple[str, ...] = (
    "\x00",
    "a\x00b",
    "\ud800",
    "x" * 70_000,
    "",
    " ",
    "\u202egnp.exe",
    "🏮" * 40,
    "%",
    "_%\\'\"--",
    "9" * 40,
    "-1",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "2026-01-01T00:00:00",
    "00000000-0000-0000-0000-000000000000",
    "http://[::1",
    "https://user:pass@host\\@other/..;/",
    "1.000000000000000000001",
    "1e400",
    "NaN",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**31,
    2**63 - 1,
    2**63,
    10**40,
    -(10**40),
    1e308,
    0.1,
    [],
    {},
    [None],
    {"": None},
    [[[[]]]],
    *TEXTS,
)
BODIES: tuple[bytes, ...] = (
    b"",
    b" ",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"0",
    b"\xff\xfe",
    b'{"a": "\xff"}',
    b'{"\\u0000": 1}',
    b'{"\\ud800": 1}',
    b'{"a": NaN}',
    b'{"a": -Infinity}',
    b"1" + b"0" * 5000,
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b"\xef\xbb\xbf{}",
    b"{}{}",
)
KINDS: tuple[str, ...] = (
    "application/json",
    "application/json; charset=utf-16",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/xml",
    "x" * 300,
    ";;;",
)


def altered(value: Any) -> Iterator[Any]:
    """Copies of a JSON value, each with another value in one place, or with one thing more."""
    yield from VALUES
    if isinstance(value, dict):
        for key, old in value.items():
            yield {k: v for k, v in value.items() if k != key}
            for new in altered(old):
                yield {**value, key: new}
        for key in ("\x00", "\ud800", "x" * 300, "__proto__"):
            yield {**value, key: 1}
    elif isinstance(value, list):
        for index, old in enumerate(value[:3]):
            for new in altered(old):
                yield [*value[:index], new, *value[index + 1 :]]
        yield [*value, *(list(value) * 1000)]


def chosen(made: list[Any], most: int) -> list[Any]:
    """At most so many of them, evenly taken."""
    step = max(1, -(-len(made) // most))
    # One and the same value would else be taken again and again.
    return made[:: step + 1 if step > 1 and step % 2 == 0 else step]
