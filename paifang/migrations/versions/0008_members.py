"""Members of groups, invitations, what groups may call and spend, whose a token is, and usage.

Revision 0008, after 0007. Made 2026-11-30.
"""

import sqlalchemy as sa
from alembic import op

from paifang.core.db import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "usage_hours",
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("channel_id", sa.String(length=36), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("input", sa.BigInteger(), nullable=False),
        sa.Column("cached", sa.BigInteger(), nullable=False),
        sa.Column("output", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.Column("d0", sa.BigInteger(), nullable=False),
        sa.Column("d1", sa.BigInteger(), nullable=False),
        sa.Column("d2", sa.BigInteger(), nullable=False),
        sa.Column("d3", sa.BigInteger(), nullable=False),
        sa.Column("d4", sa.BigInteger(), nullable=False),
        sa.Column("d5", sa.BigInteger(), nullable=False),
        sa.Column("d6", sa.BigInteger(), nullable=False),
        sa.Column("d7", sa.BigInteger(), nullable=False),
        sa.Column("d8", sa.BigInteger(), nullable=False),
        sa.Column("d9", sa.BigInteger(), nullable=False),
        sa.Column("d10", sa.BigInteger(), nullable=False),
        sa.Column("d11", sa.BigInteger(), nullable=False),
        sa.Column("d12", sa.BigInteger(), nullable=False),
        sa.Column("d13", sa.BigInteger(), nullable=False),
        sa.Column("d14", sa.BigInteger(), nullable=False),
        sa.Column("d15", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "group_id", "token_id", "channel_id", "model"),
    )
    op.create_index(
        "ix_usage_hours_group_id_hour", "usage_hours", ["group_id", "hour"], unique=False
    )
    op.create_index(
        "ix_usage_hours_token_id_hour", "usage_hours", ["token_id", "hour"], unique=False
    )
    op.create_table(
        "usage_position",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("log_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "group_invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("invited_by", sa.String(length=64), nullable=False),
        sa.Column("inviter", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["groups.id"],
            name=op.f("fk_group_invitations_group_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name=op.f("uq_group_invitations_digest")),
    )
    op.create_index("ix_group_invitations_email", "group_invitations", ["email"], unique=False)
    op.create_index(
        op.f("ix_group_invitations_expires_at"), "group_invitations", ["expires_at"], unique=False
    )
    op.create_index(
        op.f("ix_group_invitations_group_id"), "group_invitations", ["group_id"], unique=False
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_members_group_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_group_members_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "user_id"),
    )
    op.create_index(op.f("ix_group_members_user_id"), "group_members", ["user_id"], unique=False)
    op.add_column(
        "groups", sa.Column("name", sa.String(length=64), server_default="", nullable=False)
    )
    op.add_column(
        "groups", sa.Column("kind", sa.String(length=16), server_default="service", nullable=False)
    )
    op.add_column("groups", sa.Column("personal_of", sa.Uuid(), nullable=True))
    op.add_column("groups", sa.Column("models", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("groups", sa.Column("quota", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_groups_personal_of"), "groups", ["personal_of"], unique=True)
    op.add_column("tokens", sa.Column("user_id", sa.Uuid(), nullable=True))
    op.add_column("tokens", sa.Column("stopped_at", UtcDateTime(), nullable=True))
    op.create_index("ix_tokens_group_id_number", "tokens", ["group_id", "number"], unique=False)
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_tokens_user_id"), table_name="tokens")
    op.drop_index("ix_tokens_group_id_number", table_name="tokens")
    op.drop_column("tokens", "stopped_at")
    op.drop_column("tokens", "user_id")
    op.drop_index(op.f("ix_groups_personal_of"), table_name="groups")
    op.drop_column("groups", "quota")
    op.drop_column("groups", "models")
    op.drop_column("groups", "personal_of")
    op.drop_column("groups", "kind")
    op.drop_column("groups", "name")
    op.drop_index(op.f("ix_group_members_user_id"), table_name="group_members")
    op.drop_table("group_members")
    op.drop_index(op.f("ix_group_invitations_group_id"), table_name="group_invitations")
    op.drop_index(op.f("ix_group_invitations_expires_at"), table_name="group_invitations")
    op.drop_index("ix_group_invitations_email", table_name="group_invitations")
    op.drop_table("group_invitations")
    op.drop_table("usage_position")
    op.drop_index("ix_usage_hours_token_id_hour", table_name="usage_hours")
    op.drop_index("ix_usage_hours_group_id_hour", table_name="usage_hours")
    op.drop_table("usage_hours")
