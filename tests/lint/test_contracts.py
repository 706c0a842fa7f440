"""Who may import whom: each contract of pyproject.toml breaks when its rule is broken.

A small package of the same shape is made for each case and checked with our configuration.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GATEWAY = "paifang/modules/gateway"

FILES = [
    "paifang/cli.py",
    "paifang/app.py",
    "paifang/registry.py",
    "paifang/core/db.py",
    "paifang/core/limits.py",
    "paifang/core/auth.py",
    "paifang/modules/access/module.py",
    "paifang/modules/system/module.py",
    "paifang/modules/access/administrator/service.py",
    f"{GATEWAY}/module.py",
    f"{GATEWAY}/relay/app.py",
    f"{GATEWAY}/relay/listing.py",
    f"{GATEWAY}/relay/errors.py",
    *(
        f"{GATEWAY}/{feature}/{name}.py"
        for feature in ("groups", "tokens", "prices")
        for name in ("models", "errors", "events", "schemas", "service", "router", "jobs")
    ),
]

ALLOWED = {
    "paifang/cli.py": "import paifang.app",
    "paifang/app.py": "import paifang.registry",
    "paifang/registry.py": "import paifang.modules.gateway.module",
    "paifang/core/db.py": "import sqlalchemy",
    "paifang/core/auth.py": "import fastapi",
    f"{GATEWAY}/module.py": "import paifang.modules.gateway.tokens.router\n"
    "import paifang.modules.gateway.tokens.jobs",
    f"{GATEWAY}/tokens/router.py": "import paifang.modules.gateway.tokens.schemas\n"
    "import paifang.modules.gateway.tokens.service",
    f"{GATEWAY}/tokens/service.py": "import paifang.core.db\n"
    "import paifang.modules.gateway.tokens.models\n"
    "import paifang.modules.access.administrator.service",
    f"{GATEWAY}/groups/service.py": "import paifang.modules.gateway.tokens.service",
    f"{GATEWAY}/relay/app.py": "import paifang.core.limits\n"
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import paifang.core.db",
    f"{GATEWAY}/relay/listing.py": "import paifang.modules.gateway.relay.errors",
}
"""Imports that keep every contract, so that a broken one is broken by the case."""

CASES = [
    ("1", "paifang/core/limits.py", "import paifang.modules.access.module"),
    ("1", "paifang/registry.py", "import paifang.app"),
    ("1", "paifang/app.py", "import paifang.cli"),
    ("1", "paifang/newcomer.py", ""),
    ("2", "paifang/modules/access/module.py", "import paifang.modules.gateway.module"),
    ("2", "paifang/modules/newcomer/module.py", ""),
    ("3", f"{GATEWAY}/prices/service.py", "import paifang.modules.gateway.prices.router"),
    ("3", f"{GATEWAY}/prices/schemas.py", "import paifang.modules.gateway.prices.service"),
    ("3", f"{GATEWAY}/prices/models.py", "import paifang.modules.gateway.prices.schemas"),
    ("3", f"{GATEWAY}/prices/router.py", "import paifang.modules.gateway.prices.jobs"),
    ("4", f"{GATEWAY}/groups/service.py", "import paifang.modules.gateway.tokens.schemas"),
    ("4", f"{GATEWAY}/groups/router.py", "import paifang.modules.gateway.tokens.router"),
    ("4", f"{GATEWAY}/groups/service.py", "import paifang.modules.gateway.tokens.jobs"),
    ("5", f"{GATEWAY}/tokens/models.py", "import paifang.modules.gateway.prices.models"),
    ("5", "paifang/core/db.py", "import paifang.core.auth"),
    ("6", f"{GATEWAY}/relay/app.py", "import paifang.core.db"),
    ("6", "paifang/core/limits.py", "import sqlalchemy"),
    ("6", "paifang/core/limits.py", "import paifang.core.auth"),
    ("7", f"{GATEWAY}/tokens/service.py", "import paifang.modules.gateway.groups.service"),
]

BESIDE = {
    "5": {
        f"{GATEWAY}/prices/errors.py": "import paifang.modules.gateway.tokens.errors",
        "paifang/core/auth.py": "import paifang.core.db",
    },
    "6": {f"{GATEWAY}/relay/app.py": "import paifang.core.limits"},
    "7": {f"{GATEWAY}/groups/service.py": ""},
}
"""What else a case needs: the other half of a cycle, or no cycle where none is meant."""


def broken(folder: Path, *changes: dict[str, str]) -> set[str]:
    """The numbers of the contracts that a package with these files breaks."""
    files = dict.fromkeys(FILES, "") | ALLOWED
    for change in changes:
        files |= change
    for name, source in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{source}\n")
    for package in {parent for name in files for parent in Path(name).parents[:-1]}:
        (folder / package / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    results = re.findall(r"^(\d+)\. .* (KEPT|BROKEN)", done.stdout, re.MULTILINE)
    assert len(results) == 7, done.stdout + done.stderr
    return {number for number, result in results if result == "BROKEN"}


def test_imports_that_go_the_right_way_are_kept(tmp_path: Path) -> None:
    assert broken(tmp_path) == set()


@pytest.mark.parametrize(("contract", "file", "source"), CASES)
def test_an_import_that_goes_the_wrong_way_breaks_its_contract(
    tmp_path: Path, contract: str, file: str, source: str
) -> None:
    beside = {name: text for name, text in BESIDE.get(contract, {}).items() if name != file}
    assert contract in broken(tmp_path, beside, {file: source})


def test_the_relay_runs_without_the_database_library() -> None:
    # The contract reads the source; this asks the interpreter.
    code = (
        "import pkgutil, importlib, sys, paifang.modules.gateway.relay as relay\n"
        "for part in pkgutil.walk_packages(relay.__path__, relay.__name__ + '.'):\n"
        "    importlib.import_module(part.name)\n"
        "print(sorted({'sqlalchemy', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr
