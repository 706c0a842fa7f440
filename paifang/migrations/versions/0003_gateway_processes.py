"""The processes that serve the gateway.

Revision 0003, after 0002. Made 2026-11-22.
"""

import sqlalchemy as sa
from alembic import op

from paifang.core.db import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gateway_processes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("home", sa.Text(), nullable=False),
        sa.Column("shares", sa.String(length=255), nullable=False),
        sa.Column("beats", sa.BigInteger(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    # There from the start, so that two first starts wait for each other.
    counters = sa.table("counters", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.bulk_insert(counters, [{"name": "number:gateway_processes", "value": 0}])


def downgrade() -> None:
    op.execute("delete from counters where name = 'number:gateway_processes'")
    op.drop_table("gateway_processes")
