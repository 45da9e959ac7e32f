"""What was written lately for one person is asked before each write."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_index("ix_writes_subject", "writes", ["subject", "at"])


def downgrade() -> None:
    op.drop_index("ix_writes_subject", "writes")
