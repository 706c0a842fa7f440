"""From options and environment to a runtime, with errors a stranger understands."""

import contextlib
from collections.abc import Iterator, Mapping

import click
from sqlalchemy.exc import SQLAlchemyError

from paifang import checks
from paifang.app import open_runtime
from paifang.core.db import UnsupportedDatabaseError, engine
from paifang.core.errors import StartRefused
from paifang.core.runtime import ROLES, Runtime
from paifang.core.secrets import KEY_FILES, SecretsError
from paifang.core.settings import CoreSettings, SettingsError, load
from paifang.migrate import MigrationError
from paifang.registry import settings_areas


def load_settings(overrides: Mapping[str, str | None]) -> CoreSettings:
    """The settings; a wrong one ends the command with a message that names it."""
    try:
        return load(settings_areas(), overrides=overrides)
    except SettingsError as error:
        raise click.ClickException(f"the settings are not right:\n{error}") from error


def runtime_from(settings: CoreSettings, roles: frozenset[str] = ROLES) -> Runtime:
    """The runtime; a wrong key or database URL ends the command with a message."""
    try:
        return open_runtime(settings, roles=roles)
    except (SecretsError, UnsupportedDatabaseError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"the home folder {settings.home} can't be used: {error.strerror}. "
            "--home or PAIFANG_HOME picks another one."
        ) from error


def existing_runtime(home: str | None) -> Runtime:
    """The runtime of an installation that is there; where none is, nothing is made.

    Args:
        home: The ``--home`` given.
    """
    settings = load_settings({"PAIFANG_HOME": home})
    keys = (settings.admin_key, settings.secret_key, settings.encryption_keys)
    elsewhere = all(setting.get_secret_value() for setting in (settings.db.url, *keys))
    kept = (settings.home / name for name in (engine.FILE, *KEY_FILES))
    if not elsewhere and not any(file.exists() for file in kept):
        raise click.ClickException(
            f"there is no installation in {settings.home}. --home or PAIFANG_HOME picks another "
            "folder; `paifang up` makes one here and starts it, `paifang migrate` only makes it."
        )
    return runtime_from(settings)


@contextlib.contextmanager
def plain_errors(*others: type[Exception]) -> Iterator[None]:
    """What can go wrong outside our own code ends the command with a message."""
    told: tuple[type[Exception], ...] = (
        MigrationError,
        StartRefused,
        UnsupportedDatabaseError,
        SecretsError,
        *others,
    )
    try:
        yield
    except told as error:
        raise click.ClickException(str(error)) from error
    except SettingsError as error:
        raise click.ClickException(f"the settings are not right:\n{error}") from error
    except (SQLAlchemyError, ConnectionError) as error:
        cause = getattr(error, "orig", None) or error
        raise click.ClickException(
            f"the database: {type(cause).__name__}: {cause}\n"
            "Is it running, and is PAIFANG_DB_URL right? `paifang doctor` looks closer."
        ) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from error


async def open_existing(home: str | None) -> Runtime:
    """For commands that work on an existing installation; its database is at our schema."""
    runtime = existing_runtime(home)
    try:
        await need_database(runtime)
    except click.ClickException:
        await runtime.db.close()
        raise
    return runtime


async def need_database(runtime: Runtime) -> None:
    """End the command when the database is away or not at this version's schema."""
    for finding in await checks.check_database(runtime):
        if finding.level == "error":
            raise click.ClickException(f"{finding.subject}: {finding.message}\n{finding.advice}")


def option_home(ctx: click.Context) -> str | None:
    """The ``--home`` given before the command's name."""
    root = ctx.find_root()
    home: str | None = root.params.get("home")
    return home
