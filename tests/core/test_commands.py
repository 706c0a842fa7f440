"""What commands share."""

import sys
from pathlib import Path

import pytest

from paifang.core.commands import invocation

HOME = Path("paifang-data")


def test_a_line_to_copy_names_the_program_as_it_was_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [".venv/bin/paifang", "up"])
    assert invocation(HOME) == ".venv/bin/paifang"
    assert invocation(Path("/data/my files")) == ".venv/bin/paifang --home '/data/my files'"
    monkeypatch.setattr(sys, "argv", ["/somewhere/paifang/__main__.py", "up"])
    assert invocation(HOME) == f"{sys.executable} -m paifang"


def test_a_program_on_the_path_is_called_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "paifang"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(program), "up"])
    assert invocation(HOME) == "paifang"
