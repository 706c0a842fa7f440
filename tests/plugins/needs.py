"""What a test needs beside Python, whether it is here, and what the test run was told about it.

``make test`` finds or starts servers and passes their addresses on in ``PAIFANG_TEST_*``. Under
plain ``pytest`` the servers at their usual loopback ports are used, and nothing is started.

A test that needs what is not here is "not run". With ``PAIFANG_TEST_STRICT`` (continuous
integration, or root on Debian, where everything can be had) each skipped test is a failure.
"""

import functools
import os
import shutil
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

import pytest

from scripts.services import Service, Unavailable, mariadb, postgresql, programs, redis
from scripts.services.base import PREFIX

ADDRESS = {"POSTGRESQL": "POSTGRESQL_URL", "MARIADB": "MARIADB_URL", "REDIS": "REDIS_URL"}
"""Variables that carry an address; the others carry a path under their own name."""

FIXTURES = {
    "redis_url": "REDIS",
    "redis_server": "REDIS",
    "postgres_server": "POSTGRESQL",
    "chromium": "CHROMIUM",
    "local_model": "MODEL",
}
"""Fixtures by which a test says what it needs; ``database_kind`` says it by its parameter."""

NOT_RUN = "not run: "

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

_variables: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Take the variables out of the environment.

    A ``PAIFANG_`` variable that is no setting stops Paifang, and tests start it as a child. The
    process that hands tests out keeps them, for its workers to take.
    """
    _variables.update({k: v for k, v in os.environ.items() if k.startswith(PREFIX)})
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        for name in _variables:
            os.environ.pop(name, None)


def variable(name: str) -> str:
    """The value of ``PAIFANG_TEST_<name>``; empty when it is not set."""
    return _variables.get(PREFIX + name) or os.environ.get(PREFIX + name, "")


def require(key: str) -> str:
    """The address or path of what a test needs; the test ends here when it can't be had."""
    if reason := variable(f"{key}_MISSING"):
        pytest.skip(f"{NOT_RUN}{key.lower()}: {reason}")
    if address := variable(ADDRESS.get(key, key)):
        return address
    service = _find(key)
    if service is None:
        pytest.skip(f"{NOT_RUN}{key.lower()}: none is here; 'make test' starts one")
    return service.url


@functools.cache
def _find(key: str) -> Service | None:
    finders: dict[str, Callable[[], Service | None]] = {
        "POSTGRESQL": postgresql.find,
        "MARIADB": mariadb.find,
        "REDIS": redis.find,
        "CHROMIUM": _chromium,
        "MODEL": programs.local_model,
    }
    try:
        return finders[key]()
    except Unavailable:
        return None


def _chromium() -> Service | None:
    # Only a look: installing a browser is for 'make test'.
    return programs.chromium() if any(map(shutil.which, programs.BROWSERS)) else None


def needs_of(item: pytest.Item) -> list[str]:
    """What a test needs, for the table: keys, sorted."""
    found = {FIXTURES[name] for name in getattr(item, "fixturenames", ()) if name in FIXTURES}
    for marker in item.iter_markers("needs"):
        found.update(str(name).upper() for name in marker.args)
    callspec = getattr(item, "callspec", None)
    if callspec and "database_kind" in callspec.params:
        found.add(str(callspec.params["database_kind"]).upper())
    return sorted(found)


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Note each test's needs for the table, and keep the fault tests on one worker.

    A fault test kills processes under load: two at a time would starve each other of the CPU.
    """
    for item in items:
        item.user_properties.append(("needs", needs_of(item)))
        if "faults" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("faults"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``needs(...)`` that can't have it."""
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            if str(name).upper() != "SQLITE":
                require(str(name).upper())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be skipped, a skipped test has failed."""
    report = yield
    # Captured text may hold what a test fed in; a lone surrogate can't travel between processes.
    report.sections = [(name, _printable(text)) for name, text in report.sections]
    return _strict(report)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips itself."""
    report = yield
    return _strict(report)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _strict(report: Report) -> Report:
    if report.skipped and variable("STRICT") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{reason_of(report)}\nHere nothing may be skipped."
    return report


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test was skipped, in one line."""
    where = report.longrepr
    text = str(where[2]) if isinstance(where, tuple) else str(where)
    return text.removeprefix("Skipped: ").partition("\n")[0]
