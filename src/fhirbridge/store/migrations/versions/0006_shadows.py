"""What would have been written in shadow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "shadows",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("since", sa.BigInteger, primary_key=True),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("day", sa.Text),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("gone", sa.BigInteger),
        sa.Column("how", sa.Text),
    )


def downgrade() -> None:
    op.drop_table("shadows")
