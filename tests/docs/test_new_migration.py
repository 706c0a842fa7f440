"""The script of CONTRIBUTING.md that writes the next migration."""

import re
import runpy
import shutil
from pathlib import Path

import pytest

from paifang import migrate
from scripts import new_migration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations without the newest."""
    copy = tmp_path / "migrations"
    shutil.copytree(new_migration.FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    [newest] = (copy / "versions").glob(f"{migrate.head()}_*.py")
    newest.unlink()
    return copy


def test_it_writes_what_the_models_say_and_the_migrations_do_not_make(folder: Path) -> None:
    path = new_migration.write("What is missing", folder=folder)

    before = migrate.known_revisions()[-2]
    number = f"{int(before) + 1:04d}"
    assert path == folder / "versions" / f"{number}_what_is_missing.py"
    written = runpy.run_path(str(path))
    assert written["revision"] == number
    assert written["down_revision"] == before
    assert re.search(r"op\.(create_table|add_column)", path.read_text(encoding="utf-8"))

    assert new_migration.write("Nothing", folder=folder) is None
