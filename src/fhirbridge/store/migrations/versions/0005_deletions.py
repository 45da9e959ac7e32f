"""Deletions are news: when the last one of a source was told is asked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_DELETED = sa.text("verb = 'deleted'")


def upgrade() -> None:
    op.create_index(
        "ix_events_deleted",
        "events",
        ["source", "type", "at"],
        sqlite_where=_DELETED,
        postgresql_where=_DELETED,
    )


def downgrade() -> None:
    op.drop_index("ix_events_deleted", "events")
