"""`servers/*.yaml`: one file for each make of server, what it can and cannot.

What a key means for a reader of the files is said in docs/how-to/add-a-server.md. A section for
another part of the bridge is one more field here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field

from fhirbridge.fhir.profile import Profile, Subscribing
from fhirbridge.yamlfile import Strict

from .codes import EMPTY

Written = Literal["Task", "Communication", "Provenance"]
Status = Literal[
    "draft",
    "requested",
    "received",
    "accepted",
    "rejected",
    "ready",
    "cancelled",
    "in-progress",
    "on-hold",
    "failed",
    "completed",
    "entered-in-error",
]
Intent = Literal["unknown", "proposal", "plan", "order"]


class Writing(Strict):
    """`write:`, what is left out is taken from the server's CapabilityStatement."""

    takes: list[Written] | None = None
    transactions: bool | None = None
    conditional_create: bool | None = None
    if_match: bool | None = None
    own_ids: bool | None = None
    intents: list[Intent] = EMPTY
    statuses: dict[Status, Status] = Field(default={})
    drops: dict[Written, list[str]] = Field(default={})


class Subscriptions(Strict):
    """`subscriptions:`, how it lives with ours."""

    renew_minutes: int | None = Field(default=None, gt=0)
    websocket: str | None = Field(default=None, pattern=r"^/")
    signed_by: str | None = None
    authorization: bool = True

    def to_fhir(self) -> Subscribing:
        renew = self.renew_minutes
        return Subscribing(
            renew=timedelta(minutes=renew) if renew else None,
            websocket=self.websocket,
            signed_by=self.signed_by,
            authorization=self.authorization,
        )


class ServerFile(Strict):
    """One file of `servers/`: one make of server."""

    title: str
    source: str
    verified: bool
    software: list[str] = EMPTY
    write: Writing = Writing()
    subscriptions: Subscriptions = Subscriptions()
    shared: bool = False

    def to_fhir(self, name: str) -> Profile:
        """The profile of this name."""
        write = self.write
        return Profile(
            name=name,
            title=self.title,
            software=tuple(self.software),
            takes=None if write.takes is None else frozenset(write.takes),
            transactions=write.transactions,
            conditional_create=write.conditional_create,
            if_match=write.if_match,
            own_ids=write.own_ids,
            intents=tuple(write.intents),
            statuses={str(ours): str(theirs) for ours, theirs in write.statuses.items()},
            drops={type_: tuple(names) for type_, names in write.drops.items()},
            subscribing=self.subscriptions.to_fhir(),
            shared=self.shared,
        )


def profiles(files: Iterable[tuple[str, ServerFile]]) -> Mapping[str, Profile]:
    """The profiles by their names; the last file of a name counts."""
    return {name: file.to_fhir(name) for name, file in files}
