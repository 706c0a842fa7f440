"""Run by Alembic, always on a connection that ``paifang.migrate`` has opened."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from paifang.core.db import Base, UtcDateTime
from paifang.registry import import_models

import_models()


def render_item(kind: str, item: Any, autogen_context: AutogenContext) -> str | Literal[False]:
    """Write our own column type by its short name."""
    if kind == "type" and isinstance(item, UtcDateTime):
        autogen_context.imports.add("from paifang.core.db import UtcDateTime")
        return "UtcDateTime()"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    # A half-made step of one migration must not stay when the next statement fails.
    transaction_per_migration=True,
    compare_type=True,
    render_item=render_item,
    include_name=context.config.attributes.get("include_name"),
)

with context.begin_transaction():
    context.run_migrations()
