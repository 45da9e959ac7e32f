"""Our own worklist: the Tasks and Communications that no server takes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from .database import Tx, chunks
from .records import OwnRecord, Stale
from .schema import own as o


def keep(tx: Tx, records: Sequence[OwnRecord]) -> list[bool]:
    """Write all of them; for each, whether it was not there. A first version that is there stays
    as it is; a later one must follow the newest, else `Stale`."""
    return [_keep(tx, each) for each in records]


def _keep(tx: Tx, record: OwnRecord) -> bool:
    here = (o.c.type == record.type, o.c.res_id == record.id)
    row = {"version": record.version, "body": record.body}
    if record.version == 1:
        insert = tx.upsert(o).values(
            type=record.type, res_id=record.id, patient=record.patient, **row
        )
        return tx.run(insert.on_conflict_do_nothing()) > 0
    changed = tx.run(sa.update(o).where(*here, o.c.version == record.version - 1).values(row))
    if not changed:
        raise Stale(f"{record.type}/{record.id} was changed meanwhile")
    return False


def bodies(tx: Tx, type_: str, patients: Collection[str] | None) -> list[bytes]:
    """The resources of a type, of these patient records (None: of all), in order of their ids."""
    query = sa.select(o.c.body).where(o.c.type == type_).order_by(o.c.res_id)
    if patients is None:
        return [bytes(row.body) for row in tx.all(query)]
    return [
        bytes(row.body)
        for some in chunks(sorted(patients))
        for row in tx.all(query.where(o.c.patient.in_(some)))
    ]


def body(tx: Tx, type_: str, id_: str) -> bytes | None:
    found = tx.conn.scalar(sa.select(o.c.body).where(o.c.type == type_, o.c.res_id == id_))
    return bytes(found) if found is not None else None
