"""House rules that no other tool checks, one function each.

    python -m scripts.check_rules [file ...]

A rule yields the line and what is wrong there. Each has its test in ``tests/lint``.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

FOLDERS = ("paifang", "scripts", "tests", "bench")

MAY_COMMIT = ("paifang/core/db/", "paifang/core/jobs/", "paifang/migrate.py")
"""Where transactions are made; everybody else gets one and raises to refuse."""

MAX_LINES = 400
MAX_TEST_LINES = 600

UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX)\b")

DIRECTIVE = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?"
    r"|type:\s*ignore(?:\[[^\]]*\])?"
    r"|pragma:\s*no\s*(?:cover|branch))"
)

Finding = tuple[int, str]


def commits_elsewhere(path: str, source: str) -> Iterator[Finding]:
    """A commit outside the transaction's own code ends a transaction half-way."""
    if not path.startswith("paifang/") or path.startswith(MAY_COMMIT):
        return
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"commit", "rollback"}
        ):
            yield (
                node.lineno,
                f".{node.func.attr}() outside paifang/core/db: take a session, raise to refuse",
            )


def too_long(path: str, source: str) -> Iterator[Finding]:
    """A long file holds two things."""
    limit = MAX_TEST_LINES if path.startswith("tests/") else MAX_LINES
    lines = source.count("\n")
    if lines > limit:
        yield limit, f"{lines} lines; over {limit} a file wants to be split"


def unfinished(path: str, source: str) -> Iterator[Finding]:
    """What is not done belongs into an issue, where somebody looks for it."""
    del path
    for line, comment in _comments(source):
        if found := UNFINISHED.search(comment):
            yield line, f"{found[0]}: do it, or file it as an issue"


def silent_exceptions_to_rules(path: str, source: str) -> Iterator[Finding]:
    """An exception to a rule says why, on its line."""
    del path
    for line, comment in _comments(source):
        if DIRECTIVE.search(comment) and not re.search(r"[A-Za-z]{3}", DIRECTIVE.sub("", comment)):
            yield line, f"{comment!r} gives no reason beside it"


def bare_statements(path: str, source: str) -> Iterator[Finding]:
    """A read or write of a scoped model goes through ``visible`` or says why it does not."""
    if not path.startswith("paifang/") or path == "paifang/core/scope.py":
        return
    tree = ast.parse(source)
    names = _scoped_names(tree)
    above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        called = _called(call)
        if called == "unscoped" and not _gives_a_reason(call):
            yield call.lineno, "unscoped() without a reason in words as its second argument"
        elif called in GETS and len(call.args) > 1 and (name := _named(call.args[:1], names)):
            yield call.lineno, f"session.{called}({name}, ...): {ADVICE.format(name)}"
        elif called in STATEMENTS and not isinstance(call.func, ast.Attribute):
            top, read = _whole_statement(call, above)
            if (name := _named(read, names)) and not _is_wrapped(top, above):
                yield call.lineno, f"{called}() of {name} alone: {ADVICE.format(name)}"


STATEMENTS = ("select", "update", "delete", "exists")
GETS = ("get", "get_one")
READS = {"select_from", "join", "outerjoin", "join_from", "outerjoin_from", "add_columns"}
"""Methods of a statement whose arguments are read too."""
ADVICE = "not everybody sees every {0}: visible(select({0}), caller), or unscoped(..., 'why')"


def scoped_in(source: str) -> set[str]:
    """Names of the scoped models that a file defines."""
    return {
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "Scoped" for base in node.bases)
    }


@cache
def scoped_models() -> frozenset[str]:
    """Names of all scoped models."""
    files = (ROOT / "paifang/modules").glob("*/*/models.py")
    return frozenset(name for file in files for name in scoped_in(file.read_text(encoding="utf-8")))


def _scoped_names(tree: ast.Module) -> set[str]:
    """What scoped models, and aliases of them, are called in a file."""
    models = scoped_models()
    names = {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)} & models
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("paifang."):
            names |= {a.asname or a.name for a in node.names if a.name in models}
            # A module that is imported whole: models.User.
            names |= {f"{a.asname or a.name}.{model}" for a in node.names for model in models}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            value = node.value
            if _called(value) == "aliased" and _named(value.args, names):
                names |= {
                    t.id
                    for target in node.targets
                    for t in ast.walk(target)
                    if isinstance(t, ast.Name)
                }
    return names


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _named(nodes: Iterable[ast.AST], names: set[str]) -> str:
    """The first scoped model that is named there, outside of other statements."""
    for node in nodes:
        if isinstance(node, ast.Call) and _called(node) in {*STATEMENTS, "visible", "unscoped"}:
            continue
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in names:
            return ast.unparse(node)
        if found := _named(ast.iter_child_nodes(node), names):
            return found
    return ""


def _whole_statement(
    call: ast.Call, above: dict[ast.AST, ast.AST]
) -> tuple[ast.Call, list[ast.expr]]:
    """A statement with the methods that are called on it, and what it reads from."""
    read = list(call.args)
    while isinstance(method := above.get(call), ast.Attribute):
        outer = above[method]
        if not isinstance(outer, ast.Call) or outer.func is not method:
            break
        if method.attr in READS or (method.attr == "where" and _called(call) == "exists"):
            read += outer.args
        call = outer
    return call, read


def _is_wrapped(statement: ast.Call, above: dict[ast.AST, ast.AST]) -> bool:
    outer = above.get(statement)
    return (
        isinstance(outer, ast.Call)
        and _called(outer) in {"visible", "unscoped"}
        and outer.args[:1] == [statement]
    )


def _gives_a_reason(call: ast.Call) -> bool:
    reason = call.args[1] if len(call.args) > 1 else None
    return isinstance(reason, ast.Constant) and bool(str(reason.value or "").strip())


def _comments(source: str) -> Iterator[Finding]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


RULES = (commits_elsewhere, too_long, unfinished, silent_exceptions_to_rules, bare_statements)


def check(path: str, source: str) -> list[str]:
    """What breaks a rule in a file, as ``path:line: message``; ``path`` is relative to the root."""
    return [f"{path}:{line}: {message}" for rule in RULES for line, message in rule(path, source)]


def main(arguments: list[str]) -> int:
    """Check the files given, or all; 1 when a rule is broken."""
    files = [Path(argument).resolve() for argument in arguments] or sorted(
        file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")
    )
    broken = [
        line
        for file in files
        for line in check(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8"))
    ]
    sys.stdout.writelines(f"{line}\n" for line in broken)
    sys.stdout.write(f"house rules: {len(files)} files, {len(broken)} broken\n")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
