"""The settings of core, area by area."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Literal, TypeVar

from paifang.core.settings.fields import Secret, Section, areas, setting

S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class DbSettings(Section):
    """The database."""

    url: Secret = setting(
        Secret(""),
        "Database URL: `sqlite:///file`, `postgresql://user:password@host/name` or "
        "`mariadb://user:password@host/name`. Empty: `paifang.db` in the home folder.",
    )
    pool_size: int = setting(
        10,
        "Connections kept open (PostgreSQL and MariaDB).",
        ge=1,
        le=500,
    )
    pool_overflow: int = setting(
        10,
        "Connections opened beyond the pool when it is exhausted.",
        ge=0,
        le=500,
    )
    pool_timeout: float = setting(
        10.0,
        "Seconds to wait for a free connection before answering 503.",
        gt=0,
    )
    pool_recycle: int = setting(
        1800,
        "Seconds after which a connection is replaced; -1 never.",
        ge=-1,
    )
    pool_pre_ping: bool = setting(
        True,
        "Check a pooled connection before each use.",
    )
    connect_timeout: float = setting(
        5.0,
        "Seconds to wait for a new connection.",
        gt=0,
    )
    statement_timeout: float = setting(
        30.0,
        "Seconds one statement may run (PostgreSQL and MariaDB).",
        gt=0,
    )
    lock_timeout: float = setting(
        5.0,
        "Seconds to wait for a lock; on SQLite, for the one writer.",
        gt=0,
    )


@dataclass(frozen=True)
class RedisSettings(Section):
    """Redis or Valkey, optional: the cache, and the push of changes to other processes."""

    url: Secret = setting(
        Secret(""),
        "`redis://[user:password@]host:port/0`. Empty: not used.",
    )
    timeout: float = setting(
        1.0,
        "Seconds to wait for an answer before going on without it.",
        gt=0,
    )


@dataclass(frozen=True)
class LogSettings(Section):
    """Logs: JSON lines on standard output, and files when a folder is set."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting(
        "INFO",
        "Least severe level that is written.",
    )
    format: Literal["auto", "json", "text"] = setting(
        "auto",
        "`auto` is text on a terminal and JSON everywhere else.",
    )
    dir: Path | None = setting(
        None,
        "Folder for `paifang.log` (INFO and above) and `paifang-error.log` (ERROR and "
        "above), rotated safely with several processes.",
    )
    max_bytes: int = setting(
        50_000_000,
        "Size at which a log file is rotated.",
        ge=10_000,
    )
    max_days: int = setting(
        14,
        "Days after which rotated files are deleted. They rotate at each UTC day, too, "
        "and at most 100 are kept of each.",
        ge=1,
    )


@dataclass(frozen=True)
class MailSettings(Section):
    """Outgoing mail. Without a way out every mail goes to the dev inbox."""

    providers: Secret = setting(
        Secret(""),
        "Ways out, the first choice first, separated by spaces: `resend://KEY`, "
        "`postmark://SERVER-TOKEN`, `smtp://user:password@host:587`, `smtps://…:465`. The next one "
        "is tried when one is away, refuses the key or has had enough. Empty: "
        "`PAIFANG_MAIL_SMTP_URL` alone.",
    )
    smtp_url: Secret = setting(
        Secret(""),
        "`smtp://user:password@host:587` or `smtps://…:465`. `?starttls=auto`, "
        "`always` or `never`: by default never on the loopback, always with a password, else when "
        "the server offers it. The last way out where `PAIFANG_MAIL_PROVIDERS` names others. Both "
        "empty: the dev inbox keeps each mail in the database.",
    )
    sender: str = setting("Paifang <paifang@localhost>", "The From address.")
    timeout: float = setting(20.0, "Seconds to wait for a mail server or a provider.", gt=0)
    hourly_per_address: int = setting(
        6,
        "Mails an hour to one address of those a stranger can ask for (confirm an address, reset a "
        "password, an invitation). More are dropped without a word to who asked; 0: no limit.",
        ge=0,
    )
    keep_days: int = setting(
        90,
        "Days after which a mail that is sent, dropped, failed or in the dev inbox is deleted; 0 "
        "keeps them.",
        ge=0,
        le=3650,
    )


@dataclass(frozen=True)
class JobsSettings(Section):
    """Durable background work."""

    db_url: Secret = setting(
        Secret(""),
        "Where jobs keep their state: SQLite or PostgreSQL. Empty: the database when "
        "it is PostgreSQL, else `jobs.db` in the home folder.",
    )
    concurrency: int = setting(
        8,
        "Jobs one process runs at the same time.",
        ge=1,
        le=256,
    )
    heartbeat: float = setting(
        1.0,
        "Seconds between two signs of life of a worker.",
        gt=0,
    )
    dead_after: float = setting(
        5.0,
        "Seconds of silence after which others take over a worker's jobs.",
        gt=0,
    )
    max_attempts: int = setting(
        3,
        "Take-overs of one job before it is given up with a loud state.",
        ge=1,
    )


def _addresses(value: str) -> None:
    for entry in filter(None, (part.strip() for part in value.split(","))):
        if entry != "*":
            try:
                ip_network(entry)
            except ValueError:
                raise ValueError(
                    f"{entry[:45]} is neither an address nor a block like 10.0.0.0/8 nor *"
                ) from None


@dataclass(frozen=True)
class CoreSettings(Section):
    """What the ground floor needs; modules add their areas through the registry."""

    env: Literal["development", "test", "production"] = setting(
        "development",
        "`development`, `test` or `production`; picks `.env.<env>`.",
    )
    home: Path = setting(
        Path("paifang-data"),
        "Folder of everything that must survive a restart.",
    )
    host: str = setting("127.0.0.1", "Address to listen on.")
    port: int = setting(8000, "Port to listen on; 0 takes any free one.", ge=0, le=65535)
    public_url: str = setting(
        "",
        "The address people type, for links. Empty: made from host and port.",
        pattern=r"^(https?://[^\s/?#@]+(/[^\s?#]*)?)?$",
    )
    admin_key: Secret = setting(
        Secret(""),
        "The administrator key. Empty: made at the first start and kept in "
        "`admin.key` in the home folder.",
    )
    secret_key: Secret = setting(
        Secret(""),
        "Signs internal credentials (at least 32 characters). Empty: made at the "
        "first start and kept in `secret.key` in the home folder. All processes share one.",
    )
    encryption_keys: Secret = setting(
        Secret(""),
        "Keys that encrypt stored credentials, comma-separated, the current one "
        "first. Empty: made at the first start and kept in `encryption.keys` in the home folder.",
    )
    trusted_proxies: str = setting(
        "127.0.0.1",
        "Addresses, comma-separated, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
        check=_addresses,
    )
    max_api_body_bytes: int = setting(
        1_048_576,
        "Largest request body that `/api` takes; more is a 413. The relay's is "
        "`PAIFANG_GATEWAY_MAX_BODY_BYTES`.",
        ge=1024,
    )
    api_body_timeout: float = setting(
        30.0, "Seconds a request body of `/api` may take; more is a 408.", gt=0
    )
    drain_seconds: float = setting(
        30.0,
        "After SIGTERM, seconds that running calls get to finish.",
        ge=0,
    )
    metrics_key: Secret = setting(
        Secret(""),
        "Bearer key for `/metrics`. Empty: the administrator key is asked for.",
    )
    db: DbSettings = DbSettings()
    redis: RedisSettings = RedisSettings()
    log: LogSettings = LogSettings()
    mail: MailSettings = MailSettings()
    jobs: JobsSettings = JobsSettings()

    def area(self, kind: type[S]) -> S:
        """The area of a module, by its class."""
        for name, found in areas(type(self)):
            if issubclass(found, kind):
                area: S = getattr(self, name)
                return area
        raise LookupError(f"no area of settings is a {kind.__name__}; is its module registered?")

    @property
    def by_https(self) -> bool:
        """Whether the address that people type is an ``https`` one."""
        return self.public_url.lower().startswith("https://")

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
