"""House rules that no other tool checks, one function each.

    python -m scripts.check_rules [file ...]

A rule yields the line and what is wrong there. Each has its test in ``tests/lint``.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
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


def _comments(source: str) -> Iterator[Finding]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


RULES = (commits_elsewhere, too_long, unfinished, silent_exceptions_to_rules)


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
