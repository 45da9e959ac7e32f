"""The revisions of the tables, for Alembic. How to add one: docs/how-to/upgrade.md."""
