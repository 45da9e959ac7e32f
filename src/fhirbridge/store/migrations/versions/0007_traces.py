"""The traces that news came with, so that the work that it leads to continues them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "traces",
        sa.Column("id", serial, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("trace", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_traces_subject", "traces", ["subject", "generation"])


def downgrade() -> None:
    op.drop_table("traces")
