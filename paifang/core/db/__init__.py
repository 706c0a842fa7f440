"""The database: models' base, types that mean the same everywhere, and transactions.

A route takes its transaction from ``paifang.core.db.request``, which needs FastAPI.
"""

from paifang.core.db.base import Base, UtcDateTime, utc_now
from paifang.core.db.counters import bump_version, next_number, read_version
from paifang.core.db.engine import Database, UnsupportedDatabaseError
from paifang.core.db.installation import installation_id
from paifang.core.db.session import on_commit

__all__ = [
    "Base",
    "Database",
    "UnsupportedDatabaseError",
    "UtcDateTime",
    "bump_version",
    "installation_id",
    "next_number",
    "on_commit",
    "read_version",
    "utc_now",
]
