"""Characters that no text may have, wherever it stands in a request.

NUL: PostgreSQL can't store it, and what another database took could never move there. Halves of
surrogate pairs: JSON can write one alone, and no encoding can.
"""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import Request

from paifang.core.errors import Invalid

_UNSOUND = re.compile("[\x00\ud800-\udfff]")
_IN_JSON = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""How JSON writes one of them, or half of a pair that is whole."""
_IN_FORM = b"%00"

MESSAGE = "it has a character that can't be stored (NUL, or half of a surrogate pair)"


def check_texts(request: Request) -> None:
    """Refuse a request whose path, query or body has such a character.

    A body is looked at where FastAPI has read it; :func:`check_value` is for what reads its own.

    Raises:
        Invalid: naming where it stands.
    """
    if b"%00" in request.scope.get("raw_path", b"") or "\x00" in request.scope["path"]:
        _refuse("path", next(_names(request.path_params), ""))
    if b"%00" in request.scope["query_string"]:
        _refuse("query", next(_names(dict(request.query_params.multi_items())), ""))
    body: bytes = getattr(request, "_body", b"")  # read already, or nobody's to read here
    if _IN_JSON.search(body):
        check_value(getattr(request, "_json", None))
    elif _IN_FORM in body and _is_form(request):
        _refuse("body", "")


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


def _is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "")
    return kind.startswith("application/x-www-form-urlencoded")


def _refuse(where: str, field: str) -> None:
    errors = [{"field": field[:64], "in": where, "message": MESSAGE}]
    raise Invalid(f"{field[:64] or f'the {where}'}: {MESSAGE}", errors=errors)
