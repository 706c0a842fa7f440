"""The end of a test run: what ran against what, and what the tests did not reach."""

import json
import platform
import sqlite3
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import coverage
import pytest

from plugins.needs import NOT_RUN, reason_of, variable

ROWS = {
    "SQLITE": "SQLite",
    "POSTGRESQL": "PostgreSQL",
    "MARIADB": "MariaDB",
    "REDIS": "Redis",
    "MODEL": "local model",
    "CHROMIUM": "Chromium",
}
PYTHON = "PYTHON"
"""The row of tests that need nothing of the above."""

LEAST_COVERED = 10
"""How many files the coverage list names."""

_RANK = {"passed": 0, "not run": 1, "failed": 2}


class Table:
    """Collects outcomes in the process that prints them."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.needs: dict[str, list[str]] = {}
        self.reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of a test's three phases."""
        noted: dict[str, Any] = dict(report.user_properties)
        self.needs[report.nodeid] = noted.get("needs", [])
        outcome = report.outcome if report.outcome != "skipped" else "not run"
        if hasattr(report, "wasxfail"):
            outcome = "passed"  # a known failure that failed; an unexpected success is "failed"
        elif report.outcome != "passed" and reason_of(report).startswith(NOT_RUN):
            outcome = "not run"
        if outcome == "not run":
            self.reasons[reason_of(report).removeprefix(NOT_RUN)] += 1
        known = self.outcomes.get(report.nodeid, "passed")
        self.outcomes[report.nodeid] = max(known, outcome, key=lambda name: _RANK[name])

    def lines(self) -> list[str]:
        """The table. A test that needs two things is counted in both rows."""
        counts = {key: Counter[str]() for key in (*ROWS, PYTHON)}
        for test, outcome in self.outcomes.items():
            for key in self.needs.get(test) or [PYTHON]:
                counts.setdefault(key, Counter())[outcome] += 1
        versions = [_version(key) for key in counts]
        wide = max(map(len, versions))
        header = f"{'':12} {'':{wide}} {'passed':>7} {'failed':>7} {'not run':>8}"
        rows = [
            f"{ROWS.get(key, key.capitalize()):12} {version:{wide}} "
            f"{count['passed']:>7} {count['failed']:>7} {count['not run']:>8}"
            for (key, count), version in zip(counts.items(), versions, strict=True)
        ]
        reasons = [f"{NOT_RUN}{number} x {text}" for text, number in self.reasons.most_common()]
        return [header, *rows, *reasons]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table and the coverage."""
        # A developer who runs three tests by hand wants no table.
        if not self.outcomes or not variable("RUN"):
            return
        terminalreporter.section("what ran against what")
        for line in self.lines():
            terminalreporter.write_line(line)
        if terminalreporter.config.getoption("cov_source", None):
            terminalreporter.section("coverage")
            for line in coverage_lines(Path.cwd()):
                terminalreporter.write_line(line)


def coverage_lines(root: Path) -> list[str]:
    """The total and the least covered files of the run that has just ended."""
    data = coverage.Coverage(data_file=root / ".coverage")
    data.load()
    if not data.get_data().measured_files():
        return ["nothing was measured"]
    with tempfile.TemporaryDirectory() as folder:
        outfile = Path(folder) / "coverage.json"
        data.json_report(outfile=str(outfile))
        report = json.loads(outfile.read_text())
    files = sorted(
        (entry["summary"]["percent_covered"], entry["summary"]["missing_lines"], name)
        for name, entry in report["files"].items()
    )
    least = [
        f"{percent:5.0f} %  {missing:4} lines missed  {name}"
        for percent, missing, name in files[:LEAST_COVERED]
        if missing
    ]
    return [f"{report['totals']['percent_covered']:5.1f} %  in all", *least]


def _version(key: str) -> str:
    if key == "SQLITE":
        return sqlite3.sqlite_version
    if key == PYTHON:
        return f"{platform.python_version()}, nothing of the above"
    if variable(f"{key}_MISSING"):
        return "not available"
    # "PostgreSQL | PostgreSQL 18" says it twice; "Redis | Valkey 9" says something.
    return variable(f"{key}_VERSION").removeprefix(f"{ROWS[key]} ") or "as found"


def pytest_configure(config: pytest.Config) -> None:
    """Only the process that prints keeps count."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table(), "table")
