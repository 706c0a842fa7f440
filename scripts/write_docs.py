"""Writes the pages of ``docs/reference`` from the code they describe.

python -m scripts.write_docs            write them
python -m scripts.write_docs --check    say which are not current; 1 when one is not
"""

import sys
from collections.abc import Callable
from pathlib import Path

import orjson

from paifang.api import openapi
from paifang.registry import MODULES
from scripts.reference import (
    commands_page,
    errors_page,
    permissions_page,
    providers_page,
    settings_page,
)

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"


def _openapi() -> str:
    """The document as ``paifang openapi`` prints it."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(openapi(), option=options).decode()


def _access() -> str:
    """Names of permissions and menu entries: the pages have a title for each, in each language."""
    names = {
        "permissions": [p.value for m in MODULES for p in m.permissions or ()],
        "menu": [entry.name for module in MODULES for entry in module.menu],
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(names, option=options).decode()


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page.write,
    "commands.md": commands_page.write,
    "errors.md": errors_page.write,
    "permissions.md": permissions_page.write,
    "providers.md": providers_page.write,
    "access.json": _access,
    "openapi.json": _openapi,
}


def is_current(name: str) -> bool:
    """Whether a page is what the code would write now."""
    path = REFERENCE / name
    return path.is_file() and path.read_text(encoding="utf-8") == PAGES[name]()


def main(arguments: list[str]) -> int:
    """Write what is not current, or with ``--check`` only name it."""
    stale = [name for name in PAGES if not is_current(name)]
    for name in stale:
        if "--check" in arguments:
            print(f"docs/reference/{name} is not current: run `python -m scripts.write_docs`")
        else:
            REFERENCE.mkdir(parents=True, exist_ok=True)
            (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
            print(f"wrote docs/reference/{name}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
