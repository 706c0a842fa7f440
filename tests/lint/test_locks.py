"""Lock files with an address, a loose version or no hash are refused."""

import json

import pytest

from scripts.check_locks import check_npm_lock, check_requirements

GOOD = (
    "# a comment\n"
    "click==8.5.1 ; sys_platform == 'win32' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    "sqlalchemy[asyncio]==2.1.9 \\\n    --hash=sha256:cc\n    # via paifang\n"
)


def test_a_compiled_requirements_file_passes() -> None:
    assert list(check_requirements(GOOD)) == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("--index-url something", "an address"),
        ("--extra-index-url=something", "an address"),
        ("-i something", "an address"),
        ("--find-links wheels", "an address"),
        ("click @ file:///wheels/click.whl --hash=sha256:aa", "an address"),
        ("click>=8.5 --hash=sha256:aa", "not an exact version"),
        ("click==8.5.1", "no hash"),
    ],
)
def test_a_line_that_is_no_lock_is_named(line: str, what: str) -> None:
    [finding] = check_requirements(f"{GOOD}{line}\n")
    assert finding.startswith(what)
    assert line.split(maxsplit=1)[0] in finding


def test_an_npm_lock_has_hashes_and_no_addresses() -> None:
    def lock(**package: str) -> str:
        return json.dumps({"packages": {"": {"name": "root"}, "node_modules/vue": package}})

    assert list(check_npm_lock(lock(version="3.5.0", integrity="sha512-aa"))) == []
    linked = {
        "nothing": {"version": "0.0.0"},
        "node_modules/a": {"resolved": "nothing", "link": True},
    }
    assert list(check_npm_lock(json.dumps({"packages": linked}))) == []
    assert list(check_npm_lock(lock(version="3.5.0"))) == ["no hash: node_modules/vue"]
    [finding] = check_npm_lock(lock(resolved="somewhere", integrity="sha512-aa"))
    assert finding.startswith("an address: node_modules/vue")
