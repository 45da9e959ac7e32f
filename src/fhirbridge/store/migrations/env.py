"""What Alembic runs: the revisions, in the transaction that `migrating` has open."""

from __future__ import annotations

from alembic import context

from fhirbridge.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
