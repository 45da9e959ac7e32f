"""From a decision to the transaction, and from its receipts to the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from fhirbridge.core.facts import Party, Ref
from fhirbridge.core.findings import Role
from fhirbridge.core.plan import Intent, Plan, Why
from fhirbridge.fhir.answers import Receipt
from fhirbridge.fhir.desk import Desk, Texts
from fhirbridge.fhir.write import keys, write
from fhirbridge.store.records import Written

from .deciding import Decision

#: The action of a Communication in the audit.
TELL = "tell"
#: … of the Provenance of a transaction …
ATTEST = "attest"
#: … of a Task that was taken back by a person …
RETRACT = "retract"
#: … and of what we took back because another writer was quicker.
DOUBLE = Why.DOUBLE.value


@dataclass(frozen=True)
class Writer:
    """Writes for one installation; `texts` are the sentences of its language, `provenance` says
    whether each transaction brings its own."""

    instance: str
    texts: Texts
    provenance: bool = False

    def doubled(self, title: str) -> str:
        """The words for what is taken back because another writer was quicker."""
        return self.texts.solved(Why.DOUBLE, title)

    def bundle(self, plan: Plan, decision: Decision) -> dict[str, Any] | None:
        """The transaction that carries out a plan; None when there is nothing to write.

        Raises `Rejected` for a resource that is not FHIR.
        """
        if not plan:
            return None
        home = decision.home or decision.person.source
        desk = self.desk(
            home=home,
            as_of=decision.as_of,
            zone=decision.zone,
            owners=decision.owners,
            tasks=decision.gathered.ours,
            patient=decision.person if decision.person.source == home else None,
        )
        return self.carry_out(plan, desk)

    def desk(
        self,
        *,
        home: str,
        as_of: datetime,
        zone: tzinfo,
        owners: Mapping[Role, Party],
        tasks: Sequence[Mapping[str, Any]],
        patient: Ref | None = None,
    ) -> Desk:
        """Where and when something is written; `tasks` as they were read."""
        return Desk(
            instance=self.instance,
            home=home,
            as_of=as_of,
            texts=self.texts,
            zone=zone,
            patient=patient,
            owners=owners,
            tasks={str(task.get("id")): task for task in tasks},
            provenance=self.provenance,
        )

    def carry_out(self, plan: Plan, desk: Desk) -> dict[str, Any] | None:
        """The transaction of a plan at a desk."""
        return write(plan, desk)

    def written(
        self,
        decision: Decision,
        plan: Plan,
        bundle: Mapping[str, Any],
        done: Sequence[Receipt | None],
    ) -> list[Written]:
        """What was written: one row for each receipt."""
        return self.rows(decision.home or decision.person.source, plan, bundle, done)

    def rows(
        self, home: str, plan: Plan, bundle: Mapping[str, Any], done: Sequence[Receipt | None]
    ) -> list[Written]:
        """What was written on the worklist of `home`: one row for each receipt. `done` has None
        for an entry that was not sent."""
        changes = {each.said.ref.id: each for each in plan.intents if each.said}
        intents = {each.key: each for each in plan.intents if each.why != Why.DOUBLE}
        rows = []
        for key, receipt in zip(keys(bundle), done, strict=True):
            if receipt is None:
                continue
            if receipt.double:
                rows.append(_double(home, key, receipt.double))
            intent = intents.get(key)
            if receipt.type == "Task" and not receipt.created:
                intent = changes.get(receipt.id, intent)
            if receipt.type == "Task" and intent and intent.why == Why.DOUBLE:
                rows.append(_double(home, key, receipt))
                continue
            finding = intent.finding if intent else None
            rows.append(
                Written(
                    source=home,
                    type=receipt.type,
                    id=receipt.id,
                    version=receipt.version,
                    key=key,
                    digest=finding.digest if finding else "",
                    action=_action(intent, receipt.type),
                    episode=intent.episode if intent and receipt.type == "Task" else 0,
                )
            )
        return rows


def _double(home: str, key: str, taken_back: Receipt) -> Written:
    """Of no episode: it is none of our Tasks any more."""
    return Written(
        source=home,
        type=taken_back.type,
        id=taken_back.id,
        version=taken_back.version,
        key=key,
        digest="",
        action=DOUBLE,
        episode=0,
    )


def _action(intent: Intent | None, type_: str) -> str:
    if type_ == "Task" and intent:
        return RETRACT if intent.why == Why.RETRACTED else intent.do.value
    return ATTEST if type_ == "Provenance" else TELL
