"""Fixtures for every test; servers, the table and the rules of a run are in ``plugins/``."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from paifang.core.settings import CoreSettings, load
from paifang.registry import MODULES, settings_areas

ADMIN_KEY = "pf_admin_of_the_tests_0123456789"

pytest_plugins = [
    "plugins.needs",  # first: the others import it
    "plugins.sockets",
    "plugins.table",
    "plugins.databases",
    "plugins.others",
    "counts",
]


@pytest.fixture
def settings(tmp_path: Path, database_url: URL) -> CoreSettings:
    """Settings of a test installation on this test's database."""
    return load(
        settings_areas(MODULES),
        environ={
            "PAIFANG_ENV": "test",
            "PAIFANG_HOME": str(tmp_path / "home"),
            "PAIFANG_ADMIN_KEY": ADMIN_KEY,
            "PAIFANG_DB_URL": database_url.render_as_string(hide_password=False),
        },
        folder=tmp_path,
    )
