"""House rules that ruff checks for us; a change of its configuration must not lose them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ["--no-cache", "--output-format", "concise"]


def broken(path: str, source: str) -> set[str]:
    """The codes of the rules that the source breaks at this place."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *OPTIONS, "--stdin-filename", path, "-"],
        input=source,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode in {0, 1}, done.stderr
    return {line.split(": ")[1].split()[0] for line in done.stdout.splitlines() if ".py:" in line}


def test_only_scripts_and_benchmarks_print() -> None:
    source = '"""Say it."""\n\nprint("hello")\n'

    assert broken("paifang/core/example.py", source) == {"T201"}
    assert broken("scripts/example.py", source) == set()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("from . import errors\n", "TID252"),
        ("import datetime\n\nnow = datetime.datetime.now()\n", "DTZ005"),
        ("x = 1  # noqa\n", "PGH004"),
        ("x: int = ''  # type: ignore\n", "PGH003"),
        ("def public(x: int) -> int:\n    return x\n", "D103"),
        ("try:\n    x = 1\nexcept Exception:\n    x = 2\n", "BLE001"),
    ],
)
def test_these_habits_are_refused(source: str, code: str) -> None:
    assert code in broken("paifang/core/example.py", f'"""A module."""\n\n{source}')
