"""The database: models' base, types that mean the same everywhere, and transactions."""

from paifang.core.db.base import Base, UtcDateTime, utc_now
from paifang.core.db.counters import bump_version, next_number, read_version
from paifang.core.db.engine import Database, UnsupportedDatabaseError
from paifang.core.db.session import Db, on_commit, session

__all__ = [
    "Base",
    "Database",
    "Db",
    "UnsupportedDatabaseError",
    "UtcDateTime",
    "bump_version",
    "next_number",
    "on_commit",
    "read_version",
    "session",
    "utc_now",
]
