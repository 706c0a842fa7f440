"""Settings: environment variables and ``.env`` files, nested per area, checked as a whole.

Every setting has one name, ``PAIFANG_<AREA>_<FIELD>``, made from its place in :class:`Settings`:
``settings.db.pool_size`` is ``PAIFANG_DB_POOL_SIZE``. Sources, strongest first: the process
environment, ``.env.<environment>``, ``.env``. A ``PAIFANG_*`` variable that names no setting
is an error, because a misspelt limit is a limit that is not there.
"""

import difflib
import functools
import os
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "PAIFANG_"

ALIASES = {
    "ADMIN_KEY": "PAIFANG_ADMIN_KEY",
    "SQL_DSN": "PAIFANG_DB_URL",
    "REDIS_CONN_STRING": "PAIFANG_REDIS_URL",
}
"""Names that AI Proxy deployments already have in their environment."""

Environment = Literal["development", "test", "production"]


class SettingsError(Exception):
    """A setting is unknown or its value can't be right; the message names it."""


class Section(BaseModel):
    """Base of one area of settings. Each field carries a description: the docs print it."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )


S = TypeVar("S", bound=Section)


class DbSettings(Section):
    """The database."""

    url: SecretStr = Field(
        SecretStr(""),
        description="Database URL: `sqlite:///file`, `postgresql://user:password@host/name` or "
        "`mariadb://user:password@host/name`. Empty: `paifang.db` in the home folder.",
    )
    pool_size: Annotated[int, Field(ge=1, le=500)] = Field(
        10, description="Connections kept open (PostgreSQL and MariaDB)."
    )
    pool_overflow: Annotated[int, Field(ge=0, le=500)] = Field(
        10, description="Connections opened beyond the pool when it is exhausted."
    )
    pool_timeout: Annotated[float, Field(gt=0)] = Field(
        10.0, description="Seconds to wait for a free connection before answering 503."
    )
    pool_recycle: Annotated[int, Field(ge=-1)] = Field(
        1800, description="Seconds after which a connection is replaced; -1 never."
    )
    pool_pre_ping: bool = Field(
        default=True, description="Check a pooled connection before each use."
    )
    connect_timeout: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Seconds to wait for a new connection."
    )
    statement_timeout: Annotated[float, Field(gt=0)] = Field(
        30.0, description="Seconds one statement may run (PostgreSQL and MariaDB)."
    )
    lock_timeout: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Seconds to wait for a lock; on SQLite, for the one writer."
    )


class RedisSettings(Section):
    """Redis or Valkey, optional: the cache, and the push of changes to other processes."""

    url: SecretStr = Field(
        SecretStr(""), description="`redis://[user:password@]host:port/0`. Empty: not used."
    )
    timeout: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Seconds to wait for an answer before going on without it."
    )


class LogSettings(Section):
    """Logs: JSON lines on standard output, and files when a folder is set."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe level that is written."
    )
    format: Literal["auto", "json", "text"] = Field(
        "auto", description="`auto` is text on a terminal and JSON everywhere else."
    )
    dir: Path | None = Field(
        None,
        description="Folder for `paifang.log` (INFO and above) and `paifang-error.log` (ERROR and "
        "above), rotated safely with several processes.",
    )
    max_bytes: Annotated[int, Field(ge=10_000)] = Field(
        50_000_000, description="Size at which a log file is rotated."
    )
    max_days: Annotated[int, Field(ge=1)] = Field(
        14,
        description="Days after which rotated files are deleted. They rotate at each UTC day, too, "
        "and at most 100 are kept of each.",
    )


class MailSettings(Section):
    """Outgoing mail. Without an SMTP server every mail goes to the dev inbox."""

    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="`smtp://user:password@host:587` or `smtps://…:465`. `?starttls=auto`, "
        "`always` or `never`: by default never on the loopback, always with a password, else when "
        "the server offers it. Empty: the dev inbox keeps each mail in the database.",
    )
    sender: str = Field("Paifang <paifang@localhost>", description="The From address.")
    timeout: Annotated[float, Field(gt=0)] = Field(
        20.0, description="Seconds to wait for the mail server."
    )


class JobsSettings(Section):
    """Durable background work."""

    db_url: SecretStr = Field(
        SecretStr(""),
        description="Where jobs keep their state: SQLite or PostgreSQL. Empty: the database when "
        "it is PostgreSQL, else `jobs.db` in the home folder.",
    )
    concurrency: Annotated[int, Field(ge=1, le=256)] = Field(
        8, description="Jobs one process runs at the same time."
    )
    heartbeat: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Seconds between two signs of life of a worker."
    )
    dead_after: Annotated[float, Field(gt=0)] = Field(
        5.0, description="Seconds of silence after which others take over a worker's jobs."
    )
    max_attempts: Annotated[int, Field(ge=1)] = Field(
        3, description="Take-overs of one job before it is given up with a loud state."
    )


def _addresses(value: str) -> str:
    for entry in filter(None, (part.strip() for part in value.split(","))):
        if entry != "*":
            try:
                ip_network(entry)
            except ValueError:
                raise ValueError(
                    f"{entry[:45]} is neither an address nor a block like 10.0.0.0/8 nor *"
                ) from None
    return value


class CoreSettings(BaseSettings):
    """What the ground floor needs; modules add their areas through the registry."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    env: Environment = Field(
        "development", description="`development`, `test` or `production`; picks `.env.<env>`."
    )
    home: Path = Field(
        Path("paifang-data"), description="Folder of everything that must survive a restart."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8000, description="Port to listen on; 0 takes any free one."
    )
    public_url: Annotated[str, Field(pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$")] = Field(
        "", description="The address people type, for links. Empty: made from host and port."
    )
    admin_key: SecretStr = Field(
        SecretStr(""),
        description="The administrator key. Empty: made at the first start and kept in "
        "`admin.key` in the home folder.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Signs internal credentials (at least 32 characters). Empty: made at the "
        "first start and kept in `secret.key` in the home folder. All processes share one.",
    )
    encryption_keys: SecretStr = Field(
        SecretStr(""),
        description="Keys that encrypt stored credentials, comma-separated, the current one "
        "first. Empty: made at the first start and kept in `encryption.keys` in the home folder.",
    )
    trusted_proxies: Annotated[str, AfterValidator(_addresses)] = Field(
        "127.0.0.1",
        description="Addresses, comma-separated, whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` are believed.",
    )
    max_api_body_bytes: Annotated[int, Field(ge=1024)] = Field(
        1_048_576,
        description="Largest request body that `/api` takes; more is a 413. The relay's is "
        "`PAIFANG_GATEWAY_MAX_BODY_BYTES`.",
    )
    drain_seconds: Annotated[float, Field(ge=0)] = Field(
        30.0, description="After SIGTERM, seconds that running calls get to finish."
    )
    metrics_key: SecretStr = Field(
        SecretStr(""),
        description="Bearer key for `/metrics`. Empty: the administrator key is asked for.",
    )
    db: DbSettings = DbSettings()
    redis: RedisSettings = RedisSettings()
    log: LogSettings = LogSettings()
    mail: MailSettings = MailSettings()
    jobs: JobsSettings = JobsSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what :func:`load` hands over: it has read and checked every variable by name."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    def area(self, kind: type[S]) -> S:
        """The area of a module, by its class."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, kind):
                return value
        raise LookupError(f"no area of settings is a {kind.__name__}; is its module registered?")

    @property
    def base_url(self) -> str:
        """The address to print and put into links, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        address = self.host.strip("[]")
        # A wildcard address can be listened on but not visited.
        here = address == "localhost" or _is_own_machine(address)
        host = "localhost" if here else f"[{address}]" if ":" in address else address
        return f"http://{host}:{self.port}"


def _is_own_machine(address: str) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return ip.is_loopback or ip.is_unspecified


def variables(model: type[BaseModel], prefix: str = PREFIX) -> Iterator[tuple[str, FieldInfo]]:
    """Each setting's variable name and field, areas resolved, in the order of declaration."""
    for name, _path, field in _walk(model, prefix, ()):
        yield name, field


def _walk(
    model: type[BaseModel], prefix: str, path: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], FieldInfo]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        here = (*path, name)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _walk(kind, f"{prefix}{name.upper()}_", here)
        else:
            yield f"{prefix}{name.upper()}", here, field


def settings_class(areas: Mapping[str, type[Section]]) -> type[CoreSettings]:
    """The settings with the areas that modules bring, e.g. ``{"gateway": GatewaySettings}``."""
    return _settings_class(tuple(areas.items()))


@functools.cache
def _settings_class(areas: tuple[tuple[str, type[Section]], ...]) -> type[CoreSettings]:
    fields: dict[str, Any] = {name: (kind, kind()) for name, kind in areas}
    return cast("type[CoreSettings]", create_model("Settings", __base__=CoreSettings, **fields))


def load(
    areas: Mapping[str, type[Section]] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> CoreSettings:
    """Read the settings.

    Args:
        areas: Areas that modules bring.
        environ: Instead of the process environment.
        folder: Where the ``.env`` files are; the working directory by default.
        overrides: Values by variable name that beat every source (command-line options).

    Raises:
        SettingsError: a variable is unknown or holds what can't be right; all of them are named.
    """
    process = _without_links(os.environ if environ is None else environ)
    given = {k: str(v) for k, v in (overrides or {}).items() if v is not None}
    folder = folder or Path()
    shared = _read_env_file(folder / ".env")
    env = {**shared, **process, **given}.get(PREFIX + "ENV") or "development"
    values = {**shared, **_read_env_file(folder / f".env.{env}"), **process, **given}
    for alias, name in ALIASES.items():
        if alias in values and name not in values:
            values[name] = values[alias]

    kind = settings_class(areas or {})
    known = {name: path for name, path, _field in _walk(kind, PREFIX, ())}
    problems = [
        _unknown(name, known) for name in values if name.startswith(PREFIX) and name not in known
    ]
    nested: dict[str, Any] = {}
    for name, path in known.items():
        # An empty variable means "not set": compose files and CI pass those along.
        if values.get(name):
            place = nested
            for part in path[:-1]:
                place = place.setdefault(part, {})
            place[path[-1]] = values[name]
    try:
        settings = kind(**nested)
    except ValidationError as error:
        names = {path: name for name, path in known.items()}
        for item in error.errors(include_input=False, include_url=False):
            path = tuple(str(part) for part in item["loc"])
            problems.append(f"{names.get(path, '.'.join(path))}: {item['msg']}")
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


# Kubernetes tells every container of a service named "paifang" where it is, in variables of just
# our form.
_LINK = re.compile(r"PAIFANG_(SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP)\w*)")


def _without_links(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environ.items()
        if not _LINK.fullmatch(name)
        and not (name == "PAIFANG_PORT" and value.startswith(("tcp://", "udp://")))
    }


def _read_env_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        return {k: v for k, v in dotenv_values(path).items() if v is not None}
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text (byte {error.start})") from error


def _unknown(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else "docs/reference/settings.md lists them all"
    return f"{name}: there is no such setting; {hint}"
