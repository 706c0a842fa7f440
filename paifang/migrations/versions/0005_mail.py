"""Mails know their template and their way out, and can be counted by mailbox.

Revision 0005, after 0004. Made 2026-11-30.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("mails") as table:
        table.add_column(sa.Column("template", sa.String(length=32), nullable=True))
        table.add_column(sa.Column("mailbox", sa.String(length=320), nullable=True))
        table.add_column(sa.Column("way", sa.String(length=64), nullable=True))
        table.create_index("ix_mails_mailbox", ["mailbox", "created_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("mails") as table:
        table.drop_index("ix_mails_mailbox")
        table.drop_column("way")
        table.drop_column("mailbox")
        table.drop_column("template")
