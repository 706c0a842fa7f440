"""What commands share."""

import json
import sys
from pathlib import Path

import pytest

from paifang.core.commands import invocation, page_query, print_list
from paifang.core.pagination import Page

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


def listed(count: int, total: int, page: int = 1) -> Page[int]:
    paging = page_query(page)
    return Page(items=list(range(count)), total=total, page=page, page_size=paging.page_size)


def row(number: int) -> dict[str, object]:
    return {"name": f"n{number}", "models": ["a", "b"], "limit": None, "hidden": number}


def test_a_list_is_a_table_of_some_columns_or_json_in_full(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_list(listed(2, 2), row, ["name", "models", "limit"], as_json=False)
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "name  models  limit",
        "n0    a, b    -",
        "n1    a, b    -",
    ]
    assert shown.err == ""
    print_list(listed(2, 2), row, ["name"], as_json=True)
    assert json.loads(capsys.readouterr().out) == [row(0), row(1)]


@pytest.mark.parametrize(
    ("total", "page", "said"),
    [
        (100, 1, ""),
        (101, 1, "101 in all: --page 2 shows more.\n"),
        (250, 3, ""),
        (10_001, 2, "more than 10000 in all: --page 3 shows more.\n"),
    ],
)
def test_a_page_that_is_not_the_whole_list_says_so(
    capsys: pytest.CaptureFixture[str], total: int, page: int, said: str
) -> None:
    print_list(listed(1, total, page), row, ["name"], as_json=False)
    assert capsys.readouterr().err == said
