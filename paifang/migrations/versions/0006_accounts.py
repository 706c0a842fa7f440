"""Throttles, links by mail, invitations, and where a session is.

Revision 0006, after 0005. Made 2026-11-30.
"""

import sqlalchemy as sa
from alembic import op

from paifang.core.db import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "throttles",
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(op.f("ix_throttles_until"), "throttles", ["until"], unique=False)
    op.create_index(op.f("ix_throttles_updated_at"), "throttles", ["updated_at"], unique=False)
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("role_ids", sa.JSON(), nullable=False),
        sa.Column("group_ids", sa.JSON(), nullable=False),
        sa.Column("department_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(length=255), nullable=False),
        sa.Column("invited_by", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["department_id"], ["departments.id"], name=op.f("fk_invitations_department_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_invitations_user_id")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name=op.f("uq_invitations_digest")),
    )
    op.create_index(op.f("ix_invitations_created_at"), "invitations", ["created_at"], unique=False)
    op.create_index(
        op.f("ix_invitations_department_id"), "invitations", ["department_id"], unique=False
    )
    op.create_index(op.f("ix_invitations_email"), "invitations", ["email"], unique=False)
    op.create_index(op.f("ix_invitations_user_id"), "invitations", ["user_id"], unique=False)
    op.create_table(
        "mail_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mail_links_user_id")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name=op.f("uq_mail_links_digest")),
    )
    op.create_index(op.f("ix_mail_links_email"), "mail_links", ["email"], unique=False)
    op.create_index(op.f("ix_mail_links_expires_at"), "mail_links", ["expires_at"], unique=False)
    op.create_index(op.f("ix_mail_links_user_id"), "mail_links", ["user_id"], unique=False)
    op.add_column("sessions", sa.Column("place", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "place")
    op.drop_index(op.f("ix_mail_links_user_id"), table_name="mail_links")
    op.drop_index(op.f("ix_mail_links_expires_at"), table_name="mail_links")
    op.drop_index(op.f("ix_mail_links_email"), table_name="mail_links")
    op.drop_table("mail_links")
    op.drop_index(op.f("ix_invitations_user_id"), table_name="invitations")
    op.drop_index(op.f("ix_invitations_email"), table_name="invitations")
    op.drop_index(op.f("ix_invitations_department_id"), table_name="invitations")
    op.drop_index(op.f("ix_invitations_created_at"), table_name="invitations")
    op.drop_table("invitations")
    op.drop_index(op.f("ix_throttles_updated_at"), table_name="throttles")
    op.drop_index(op.f("ix_throttles_until"), table_name="throttles")
    op.drop_table("throttles")
