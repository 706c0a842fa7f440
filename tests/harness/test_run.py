"""The rules of a test run, seen from outside: a small suite is run under our plugins."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

SUITE = """
import os
import pytest

@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_on_a_database(database_kind):
    pass

def test_of_redis(redis_url):
    raise AssertionError("it must not run: there is no Redis")

@pytest.mark.needs("postgresql")
def test_of_a_server_by_marker():
    raise AssertionError

def test_of_python():
    assert not [name for name in os.environ if name.startswith("PAIFANG_TEST_")]

def test_that_writes_what_no_encoding_knows(capsys):
    import logging
    logging.getLogger().warning("half a character: \\ud83d")

def test_that_skips():
    pytest.skip("I feel like it")

@pytest.mark.xfail(reason="known")
def test_with_a_known_failure():
    raise ValueError

@pytest.mark.long
def test_for_the_long_run():
    from counts import count
    assert count(1, 9) == 9
"""


def run(folder: Path, *options: str, **variables: str) -> tuple[int, str]:
    """The exit code and the output of the suite."""
    (folder / "conftest.py").write_text(
        'pytest_plugins = ["plugins.needs", "plugins.table", "plugins.others", "counts"]\n'
    )
    (folder / "test_suite.py").write_text(SUITE)
    (folder / "pytest.ini").write_text(
        f"[pytest]\npythonpath = {TESTS} {TESTS.parent}\nmarkers =\n  long\n  needs(name)\n"
        "asyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=os.environ | {f"PAIFANG_TEST_{name}": value for name, value in variables.items()},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout + done.stderr


MISSING = {
    "RUN": "1",
    "POSTGRESQL_VERSION": "PostgreSQL 18.6, embedded",
    "POSTGRESQL_MISSING": "no binary for this platform",
    "REDIS_MISSING": "no binary for this platform",
}


def row(output: str, name: str) -> list[str]:
    """The numbers of a row: passed, failed, not run."""
    [line] = [line for line in output.splitlines() if line.startswith(f"{name} ")]
    return line.split()[-3:]


def test_the_table_says_what_ran_against_what(tmp_path: Path) -> None:
    code, output = run(tmp_path, "-m", "not long", "-n", "1", **MISSING)

    assert code == 0, output
    assert row(output, "SQLite") == ["1", "0", "0"]
    assert row(output, "PostgreSQL") == ["1", "0", "1"]
    assert row(output, "Redis") == ["0", "0", "1"]
    assert row(output, "Python") == ["3", "0", "1"]
    assert "not run: 1 x redis: no binary for this platform" in output
    assert "not run: 1 x I feel like it" in output
    assert output.strip().splitlines()[-1].strip("= ").startswith("4 passed, 3 skipped")


def test_where_nothing_may_be_skipped_a_skip_is_a_failure(tmp_path: Path) -> None:
    code, output = run(tmp_path, "-m", "not long", STRICT="1", **MISSING)

    assert code == 1, output
    assert "2 errors" in output.strip().splitlines()[-1]
    assert row(output, "Redis") == ["0", "0", "1"]
    assert row(output, "Python") == ["3", "1", "0"]
    assert "I feel like it\nHere nothing may be skipped." in output
    assert output.strip().splitlines()[-1].strip("= ").startswith("1 failed, 4 passed")


def test_a_whole_file_may_not_skip_itself_either(tmp_path: Path) -> None:
    (tmp_path / "test_file.py").write_text(
        'import pytest\npytest.skip("not today", allow_module_level=True)\n'
    )
    code, output = run(tmp_path, "-m", "not long", STRICT="1", **MISSING)

    assert code != 0
    assert "not today\nHere nothing may be skipped." in output


def test_the_long_run_runs_long_tests_with_their_full_counts(tmp_path: Path) -> None:
    code, output = run(tmp_path, "-m", "long", LONG="1", **MISSING)

    assert code == 0, output
    assert "1 passed" in output
