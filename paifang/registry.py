"""Which modules there are: one tuple, lowest first. No scanning."""

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from paifang.core.module import Module, load
from paifang.modules.access.module import module as access
from paifang.modules.accounts.module import module as accounts
from paifang.modules.gateway.module import module as gateway
from paifang.modules.system.module import module as system

if TYPE_CHECKING:
    from paifang.core.settings import Section

MODULES: tuple[Module, ...] = (access, accounts, system, gateway)

CORE_TABLES = (
    "paifang.core.audit",
    "paifang.core.db.counters",
    "paifang.core.jobs.models",
    "paifang.core.mail.models",
    "paifang.core.params",
)
"""Parts of core that have tables."""


def settings_areas(modules: Iterable[Module] = MODULES) -> "dict[str, type[Section]]":
    """The areas of settings that the modules bring."""
    return {name: load([kind])[0] for module in modules for name, kind in module.settings.items()}


def import_models(modules: Iterable[Module] = MODULES) -> None:
    """Import every ``models.py``, so that the metadata knows all tables."""
    from importlib import resources  # noqa: PLC0415  # a megabyte, for migrations and backups

    for name in CORE_TABLES:
        importlib.import_module(name)
    for module in modules:
        package = f"paifang.modules.{module.name}"
        for feature in resources.files(package).iterdir():
            if feature.is_dir() and (feature / "models.py").is_file():
                importlib.import_module(f"{package}.{feature.name}.models")
