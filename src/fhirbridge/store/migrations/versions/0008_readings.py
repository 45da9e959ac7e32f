"""How far a first reading has come, so that one which breaks off goes on from there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "readings",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("began", sa.BigInteger, nullable=False),
        sa.Column("reached", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("readings")
