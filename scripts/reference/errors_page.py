"""Every code an error can carry: of the API, and of the relay."""

import ast
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import paifang
from paifang.core.errors import AppError
from scripts.reference.error_texts import FRAMEWORK, RECORD_ONLY, RELAY
from scripts.reference.markdown import code, page, prose, table

PACKAGE = Path(paifang.__file__).parent
RELAY_FOLDER = PACKAGE / "modules" / "gateway" / "relay"

API = """
## The API

`/api/v1` answers errors as `application/problem+json` (RFC 9457): `type`, `title`, `status`,
`code`, `detail` (what is wrong here and what to do), `request_id` (the same as in the header
`x-request-id` and in the logs), and for a 422 `errors`, a list of `{field, message}`.

`code` is stable; `title` and `detail` are for people and may change.
"""

RELAY_TEXT = """
## The relay

`/v1` answers errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`. The code
of a failed call is also in its log (`error`). An upstream's own error about the request passes with
its status, its body and its code, so codes that are in no table here can come from there. Logs and
metrics have such a code in lower case, and `other` for one that is no plain word (`a-z`, `0-9`,
`_`, at most 64) and for all after the first 64 different ones.

A stream that has begun carries its error as the last event, without `[DONE]`.
"""

PROXY = """
## AI Proxy v1

Those paths answer every refusal with status 200 and `{"success": false, "message", "data": null}`,
as that service does; 401, 403, 405 and everything from 500 on keep their status. There are no
codes.
"""


def write() -> str:
    """The page."""
    return page(
        "Errors",
        API + "\n" + table(["Status", "Code", "Meaning"], _api_rows()),
        RELAY_TEXT + "\n" + table(["Status", "Code", "Meaning"], _relay_rows()),
        "In logs alone: " + ", ".join(f"`{c}` ({text})" for c, text in RECORD_ONLY.items()) + ".",
        PROXY,
    )


def app_errors() -> list[type[AppError]]:
    """Every class of refusal, by code."""
    for found in pkgutil.walk_packages(paifang.__path__, "paifang."):
        name = found.name
        # One runs the command, the other only inside Alembic.
        if name != "paifang.__main__" and not name.startswith("paifang.migrations"):
            importlib.import_module(name)
    return sorted(set(_below(AppError)), key=lambda error: (error.code, error.status))


def _below(kind: type[AppError]) -> Iterator[type[AppError]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith("paifang."):
            yield child
            yield from _below(child)


def _api_rows() -> list[list[str]]:
    rows: dict[tuple[str, str], str] = {}
    for error in app_errors():
        rows.setdefault((error.code, str(error.status)), _meaning(error))
    rows |= {(name, status): text for name, (status, text) in FRAMEWORK.items()}
    return [[status, code(name), text] for (name, status), text in sorted(rows.items())]


def _meaning(error: type[AppError]) -> str:
    said = prose(error.__doc__)
    title = f"{error.title}."
    return title if said in {"", title} else f"{title} {said}"


def _relay_rows() -> list[list[str]]:
    found = relay_codes()
    check_complete(found)
    return [[", ".join(sorted(found[name])), code(name), RELAY[name]] for name in sorted(found)]


def check_complete(found: Iterable[str]) -> None:
    """Every code of the relay has a text, and every text a code.

    Raises:
        ValueError: it says which has none.
    """
    if missing := sorted(set(found) - RELAY.keys()):
        raise ValueError(f"no text in scripts/reference/error_texts.py for {', '.join(missing)}")
    if extra := sorted(RELAY.keys() - set(found)):
        raise ValueError(f"the relay has no error {', '.join(extra)}")


def relay_codes() -> dict[str, set[str]]:
    """The codes the relay's source can refuse with, and the statuses beside them."""
    codes: dict[str, set[str]] = {}
    for path in sorted(RELAY_FOLDER.rglob("*.py")):
        for status, name in _codes_in(ast.parse(path.read_text(encoding="utf-8"))):
            codes.setdefault(name, set()).add(status)
    return codes


def _codes_in(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        # A refusal: the status, then the code, which may be one of several.
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in {"Refusal", "upstream_refusal"} and len(node.args) > 1:
                for name in _texts(node.args[1]):
                    yield _status(node.args[0]), name
        # The table of failures of a connection: kind to status, code, words.
        elif isinstance(node, ast.Tuple) and len(node.elts) == 3:
            status, name_node, words = node.elts
            if all(isinstance(e, ast.Constant) for e in (status, name_node, words)) and isinstance(
                ast.literal_eval(status), int
            ):
                yield str(ast.literal_eval(status)), str(ast.literal_eval(name_node))


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):  # the condition is no code
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _texts(value)


def _status(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.IfExp):
        return " or ".join(ast.unparse(part) for part in (node.body, node.orelse))
    return "the upstream's"
