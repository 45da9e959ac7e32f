"""From a decision to the transaction, and from its receipts to the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhirbridge.core.plan import Plan
from fhirbridge.fhir.answers import Receipt
from fhirbridge.fhir.desk import Desk, Texts
from fhirbridge.fhir.write import keys, write
from fhirbridge.store.records import Written

from .deciding import Decision

#: The action of a Communication in the audit.
TELL = "tell"


@dataclass(frozen=True)
class Writer:
    """Writes for one installation; `texts` are the sentences of its language."""

    instance: str
    texts: Texts

    def bundle(self, plan: Plan, decision: Decision) -> dict[str, Any] | None:
        """The transaction that carries out a plan; None when there is nothing to write.

        Raises `Rejected` for a resource that is not FHIR.
        """
        if not plan:
            return None
        home = decision.home or decision.person.source
        desk = Desk(
            instance=self.instance,
            home=home,
            as_of=decision.as_of,
            texts=self.texts,
            zone=decision.zone,
            patient=decision.person if decision.person.source == home else None,
            owners=decision.owners,
            tasks={str(task.get("id")): task for task in decision.gathered.ours},
        )
        return write(plan, desk)

    def written(
        self, decision: Decision, plan: Plan, bundle: Mapping[str, Any], done: Sequence[Receipt]
    ) -> list[Written]:
        """What was written: one row for each receipt."""
        intents = {intent.key: intent for intent in plan.intents}
        rows = []
        for key, receipt in zip(keys(bundle), done, strict=True):
            intent = intents.get(key)
            finding = intent.finding if intent else None
            action = intent.do.value if intent and receipt.type == "Task" else TELL
            rows.append(
                Written(
                    source=decision.home or decision.person.source,
                    type=receipt.type,
                    id=receipt.id,
                    version=receipt.version,
                    key=key,
                    digest=finding.digest if finding else "",
                    action=action,
                    episode=intent.episode if intent and receipt.type == "Task" else 0,
                )
            )
        return rows
