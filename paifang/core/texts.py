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
_IN_JSON = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""How JSON writes one of them, or half of a pair that is whole."""

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
    body: bytes = getattr(request, "_body", b"")  # read already, or nobody's to read here
    if _IN_JSON.search(body):
        check_value(getattr(request, "_json", None))
    form: FormData | None = getattr(request, "_form", None)
    for name, value in [] if form is None else form.multi_items():
        check_value({name: value})


def check_value(value: Any) -> None:
    """Refuse a JSON value with such a character. Raises :class:`Invalid`, naming where."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        where, found = waiting.pop()
        if isinstance(found, str):
            if _UNSOUND.search(found):
                _refuse("body", where)
        elif isinstance(found, dict):
            if any(_UNSOUND.search(key) for key in found):
                _refuse("body", where)
            waiting += [(f"{where}.{key}".lstrip("."), each) for key, each in found.items()]
        elif isinstance(found, list):
            waiting += [(f"{where}.{n}".lstrip("."), each) for n, each in enumerate(found)]


def _names(values: dict[str, Any]) -> Iterator[str]:
    return (name for name, value in values.items() if "\x00" in str(value) and "\x00" not in name)


def _refuse(where: str, field: str) -> None:
    errors = [{"field": field[:64], "in": where, "message": MESSAGE}]
    raise Invalid(f"{field[:64] or f'the {where}'}: {MESSAGE}", errors=errors)
