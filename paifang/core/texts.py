"""Characters that no text may have, wherever it stands in a request.

NUL: PostgreSQL can't store it, and what another database took could never move there. Halves of
surrogate pairs: JSON can write one alone, and no encoding can.
"""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData

from paifang.core.errors import Invalid, NotFound

_UNSOUND = re.compile("[\x00\ud800-\udfff]")
_IN_JSON = re.compile(
    rb"\\u(?:0000|[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F]))"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]"
)
"""How JSON writes one of them. Whole pairs, which are in most bodies with an emoji, are none: only
what is found here is worth a walk through the value."""

_UNREAD = object()
_SHOWN = 64
"""Characters of a path that are told."""

MESSAGE = "it has a character that can't be stored (NUL, or half of a surrogate pair)"


def check_texts(request: Request) -> None:
    """Refuse a request whose path, query or body has such a character.

    A body is looked at where FastAPI has read it; :func:`check_value` is for what reads its own.

    Raises:
        NotFound: it is in the path, and nothing can be called so.
        Invalid: it is elsewhere; names where.
    """
    if "\x00" in request.scope["path"]:
        raise NotFound("There is nothing of that name: it has the character NUL.")
    if b"%00" in request.scope["query_string"]:
        _refuse("query", next(_names(dict(request.query_params.multi_items())), ""))
    value = getattr(request, "_json", _UNREAD)  # FastAPI has read it, or it is not ours to read
    if value is not _UNREAD:
        _check_body(getattr(request, "_body", b""), value)
    form: FormData | None = getattr(request, "_form", None)
    for name, value in [] if form is None else form.multi_items():
        check_value({name: value})


def _check_body(body: bytes, value: Any) -> None:
    # The standard library's parser takes UTF-16 and halves of pairs in UTF-8 as well.
    if b"\x00" in body or not (body.isascii() or _is_utf8(body)):
        raise Invalid("The body can't be read: send JSON, in UTF-8.")
    # Behind a backslash that is itself written as one, what looks like half of a pair is none, and
    # what follows it may be.
    if _IN_JSON.search(body) or rb"\\u" in body:
        check_value(value)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


Link = tuple[Any, str | int] | None
"""Where a value stands: in what stands where, and under which key. A path is made of it only for
who is told; made for each value, paths would take more memory than the values, without a bound."""


def check_value(value: Any) -> None:
    """Refuse a JSON value with such a character. Raises :class:`Invalid`, naming where."""
    waiting: list[tuple[Any, Link]] = [([value], None)]
    first = True
    while waiting:
        found, link = waiting.pop()
        named = isinstance(found, dict)
        for key, each in found.items() if named else enumerate(found):
            if named and _UNSOUND.search(str(key)):
                _refuse("body", _path(link))
            here = None if first else (link, key)
            if isinstance(each, str):
                if _UNSOUND.search(each):
                    _refuse("body", _path(here))
            elif isinstance(each, dict | list):
                waiting.append((each, here))
        first = False


def _path(link: Link) -> str:
    parts: list[str] = []
    while link is not None:
        link, key = link
        parts.append(str(key)[:_SHOWN])
    return ".".join(reversed(parts))


def _names(values: dict[str, Any]) -> Iterator[str]:
    return (name for name, value in values.items() if "\x00" in str(value) and "\x00" not in name)


def _refuse(where: str, field: str) -> None:
    errors = [{"field": field[:_SHOWN], "in": where, "message": MESSAGE}]
    raise Invalid(f"{field[:_SHOWN] or f'the {where}'}: {MESSAGE}", errors=errors)
