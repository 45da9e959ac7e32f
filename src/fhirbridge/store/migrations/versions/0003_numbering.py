"""Event numbers of topic Subscriptions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "numbering",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("subscription", sa.Text, primary_key=True),
        sa.Column("highest", sa.BigInteger, nullable=False),
        sa.Column("missing", sa.Text, nullable=False),
        sa.Column("unread", sa.SmallInteger, nullable=False),
        sa.Column("beginnings", sa.Integer, nullable=False),
        sa.Column("since", sa.BigInteger),
    )


def downgrade() -> None:
    op.drop_table("numbering")
