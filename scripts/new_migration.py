"""Writes the next migration: what the models say and the migrations do not make yet.

    python -m scripts.new_migration "what it does"

It compares with an SQLite database that the present migrations have made, and writes
``paifang/migrations/versions/NNNN_what_it_does.py``. Read that file before you commit it.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

FOLDER = Path(__file__).resolve().parent.parent / "paifang" / "migrations"


def write(message: str, *, folder: Path = FOLDER) -> Path | None:
    """Write the migration; None when the migrations make all that the models say."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    known = ScriptDirectory.from_config(config).get_current_head()
    with tempfile.TemporaryDirectory() as place:
        engine = create_engine(f"sqlite:///{place}/empty.db")
        try:
            with engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
                made = command.revision(
                    config,
                    message=message,
                    autogenerate=True,
                    rev_id=f"{int(known or 0) + 1:04d}",
                    process_revision_directives=_nothing_for_nothing,
                )
        finally:
            engine.dispose()
    script = made[0] if isinstance(made, list) and made else made
    return None if script is None or isinstance(script, list) else Path(script.path)


def _nothing_for_nothing(
    _context: MigrationContext, _revision: object, scripts: list[MigrationScript]
) -> None:
    """Write no file that changes nothing."""
    if scripts[0].upgrade_ops_list[0].is_empty():
        scripts.clear()


def main(arguments: list[str]) -> int:
    """Write it and say where."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    path = write(arguments[0])
    if path is None:
        print("The migrations make all that the models say; there is nothing to write.")
    else:
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
