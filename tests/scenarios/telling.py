"""From what a scenario tells to the facts of the core, as the readers of FHIR would make them.

One function for each kind of line; `KINDS` names them. What a line does not say is left as a
record that does not say it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from fhirbridge.core import facts as f

from .phrases import Told, Unknown

HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
NDC = "http://hl7.org/fhir/sid/ndc"

#: kind of line -> where the record stands, and its resource type.
PLACES = {
    "order": ("ehr", "MedicationRequest"),
    "premed": ("ehr", "MedicationRequest"),
    "service": ("ehr", "ServiceRequest"),
    "visit": ("ehr", "Appointment"),
    "given": ("ehr", "MedicationAdministration"),
    "dispensed": ("pharmacy", "MedicationDispense"),
    "coverage": ("payer", "Coverage"),
    "required": ("payer", "CoverageEligibilityResponse"),
    "result": ("laboratory", "Observation"),
    "enrolled": ("registry", "GuidanceResponse"),
}
DECISIONS = {
    "approved": f.Decision.APPROVED,
    "modified": f.Decision.MODIFIED,
    "denied": f.Decision.DENIED,
    "pended": f.Decision.PENDED,
    "canceled": f.Decision.CANCELED,
    "waived": f.Decision.NOT_REQUIRED,
    "contact": f.Decision.CONTACT,
    "undecided": f.Decision.UNKNOWN,
}
STATES = {
    "active": f.State.ACTIVE,
    "on hold": f.State.HELD,
    "stopped": f.State.WITHDRAWN,
    "planned": f.State.PLANNED,
    "done": f.State.DONE,
}
VISITS = {
    "booked": f.State.ACTIVE,
    "proposed": f.State.PLANNED,
    "fulfilled": f.State.DONE,
    "cancelled": f.State.WITHDRAWN,
    "noshow": f.State.WITHDRAWN,
}
STAGES = {
    "promised": ("promised", f.State.ACTIVE),
    "committed": ("committed", f.State.ACTIVE),
    "delivered": ("delivered", f.State.DONE),
    "declined": ("none", f.State.WITHDRAWN),
    "returned": ("returned", f.State.WITHDRAWN),
}


class Teller:
    """Makes facts of told lines; `drug` is meant where a line names none."""

    def __init__(self, told: Mapping[str, Told], drug: str, zone: tzinfo) -> None:
        self.told, self.drug, self.zone = told, drug, zone

    def fact(self, told: Told) -> f.Fact:
        """The fact of one line. Raises `Unknown` for a phrase that its kind cannot say."""
        make = KINDS.get(told.kind)
        if make is None:
            raise Unknown(f"“{told.kind}” is no kind of fact; known: {', '.join(KINDS)}")
        says = dict(told.says)
        fact = make(self, told, says)
        if says:
            raise Unknown(f"a line “{told.kind}” cannot say: {', '.join(says)}")
        return fact

    def ref(self, told: Told) -> f.Ref:
        source, kind = PLACES.get(told.kind, ("payer", "ClaimResponse"))
        return f.Ref(told.says.get("source", source), kind, told.name)

    def common(self, told: Told, says: dict[str, Any], *, drug: bool = True) -> dict[str, Any]:
        """What every fact has: reference, names, links, codes, words."""
        says.pop("source", None)
        ref = self.ref(told)
        number, target = says.pop("number", None), says.pop("for", None)
        what = says.pop("what", None)
        codes = self._codes(what) if what else ()
        words = [self.drug if what is None and drug else "" if codes else what or ""]
        changed = says.pop("changed", None)
        return {
            "ref": ref,
            "patient": f.Ref(ref.source, "Patient", "p1"),
            "names": frozenset({ref.name} | ({f"urn:number|{number}"} if number else set())),
            "links": (f.Link(self.name(target), 0, "explicit reference"),) if target else (),
            "codes": codes,
            "text": "\n".join(filter(None, (*words, says.pop("text", "")))),
            "updated": self.moment(changed) if changed else None,
        }

    def name(self, target: str) -> str:
        """The name of the record of another line."""
        if target not in self.told:
            raise Unknown(f"“{target}” is told in no line")
        return self.ref(self.told[target]).name

    def moment(self, day: date, clock: time = time(9)) -> datetime:
        return datetime.combine(day, clock, self.zone)

    def party(self, name: str | None) -> f.Party | None:
        if name is None:
            return None
        if name.startswith("npi "):
            return f.Party("ehr", None, f"npi|{name.removeprefix('npi ')}", name)
        return f.Party("ehr", f"Organization/{name.replace(' ', '-')}", display=name)

    @staticmethod
    def _codes(what: str) -> tuple[f.Code, ...]:
        if what[0] in "CJQS" and what[1:].isdigit():
            return (f.Code(HCPCS, what),)
        if what.isdigit() and len(what) == 5:
            return (f.Code(CPT, what),)
        if what.replace("-", "").isdigit():
            return (f.Code(NDC, what),)
        return ()


def _span(says: dict[str, Any]) -> f.Span:
    return f.Span(says.pop("from", None), says.pop("until", None))


def _site(says: dict[str, Any]) -> f.Site:
    kind = says.pop("site", None)
    return f.Site(kind) if kind else f.SOMEWHERE


def _order(teller: Teller, told: Told, says: dict[str, Any], kind: str = "medication") -> f.Order:
    written = says.pop("written", None)
    renews, parent = says.pop("renews", None), says.pop("fills", None)
    return f.Order(
        kind=kind,
        state=STATES[says.pop("status", "active")],
        per_visit=says.pop("amount", None) or says.pop("per_visit", None),
        visits=says.pop("visits", None),
        per_fill=says.pop("per_fill", None),
        days=says.pop("days", ()),
        window=_span(says),
        spacing_days=says.pop("spacing", None),
        authored=teller.moment(written) if written else None,
        site=_site(says),
        requester=teller.party(says.pop("by", None)),
        dispenser=teller.party(says.pop("dispenser", None)),
        requisition=says.pop("requisition", None),
        chain=teller.name(renews) if renews else None,
        parent=teller.name(parent) if parent else None,
        any_brand=says.pop("any_brand", False),
        **teller.common(told, says, drug=kind == "medication"),
    )


def _service(teller: Teller, told: Told, says: dict[str, Any]) -> f.Order:
    return _order(teller, told, says, "service")


def _visit(teller: Teller, told: Told, says: dict[str, Any]) -> f.Visit:
    day, clock = says.pop("days", (None,))[0], says.pop("clock", "09:00")
    start = teller.moment(day, time.fromisoformat(clock)) if day else None
    hours, status = says.pop("hours", None), says.pop("status", "booked")
    return f.Visit(
        start=start,
        end=start + timedelta(hours=hours) if start and hours else None,
        day=day,
        status=status,
        state=VISITS[status],
        site=_site(says),
        performer=teller.party(says.pop("by", None)),
        reason=says.pop("reason", ""),
        **teller.common(told, says, drug=False),
    )


def _authorization(teller: Teller, told: Told, says: dict[str, Any]) -> f.Authorization:
    issued, number = says.pop("issued", None), says.get("number")
    superseded = says.pop("status", "active") == "superseded"
    return f.Authorization(
        decision=DECISIONS[told.kind],
        document=says.pop("document", told.name),
        state=f.State.WITHDRAWN if superseded else f.State.ACTIVE,
        per_visit=says.pop("per_visit", None),
        visits=says.pop("visits", None),
        total=says.pop("amount", None),
        span=_span(says),
        numbers=frozenset([number] if number else ()),
        reviewed=says.pop("reviewed", False),
        issued=teller.moment(issued) if issued else None,
        site=_site(says),
        provider=teller.party(says.pop("provider", None)),
        insurer=teller.party(says.pop("payer", None)),
        priority=says.pop("priority", ""),
        reason=says.pop("reason", ""),
        **teller.common(told, says),
    )


def _required(teller: Teller, told: Told, says: dict[str, Any]) -> f.Requirement:
    status = says.pop("status", "yes")
    force = {"in force": True, "not in force": False}.get(status)
    return f.Requirement(
        needed="unknown" if force is not None else status,
        state=f.State.ACTIVE,
        span=_span(says),
        in_force=force,
        limit=says.pop("amount", None),
        used=says.pop("used", None),
        **teller.common(told, says),
    )


def _dispensed(teller: Teller, told: Told, says: dict[str, Any]) -> f.Supply:
    stage, state = STAGES[says.pop("status", "delivered")]
    return f.Supply(
        amount=says.pop("amount", None),
        stage=stage,
        state=state,
        partial=says.pop("partial", False),
        day=says.pop("days", (None,))[0],
        expected=says.pop("expected", None),
        pharmacy=teller.party(says.pop("by", None)),
        destination=_site(says),
        reason=says.pop("reason", ""),
        **teller.common(told, says),
    )


def _given(teller: Teller, told: Told, says: dict[str, Any]) -> f.Administration:
    return f.Administration(
        amount=says.pop("amount", None),
        day=says.pop("days", (None,))[0],
        complete=says.pop("complete", True),
        state=f.State.DONE,
        **teller.common(told, says),
    )


def _coverage(teller: Teller, told: Told, says: dict[str, Any]) -> f.Coverage:
    return f.Coverage(
        state=STATES[says.pop("status", "active")],
        span=_span(says),
        payor=teller.party(says.pop("payer", None)),
        order=says.pop("visits", None),
        **teller.common(told, says, drug=False),
    )


def _result(teller: Teller, told: Told, says: dict[str, Any]) -> f.Evidence:
    status = says.pop("status", "done")
    return f.Evidence(
        what="result",
        state=STATES.get(status, f.State.ACTIVE),
        ok=status == "done",
        day=says.pop("days", (None,))[0],
        **teller.common(told, says, drug=False),
    )


def _enrolled(teller: Teller, told: Told, says: dict[str, Any]) -> f.Evidence:
    return f.Evidence(
        what="enrollment",
        state=f.State.DONE,
        ok=says.pop("status", "yes") == "yes",
        who=says.pop("who", ""),
        day=says.pop("days", (None,))[0],
        until=_span(says).end,
        **teller.common(told, says, drug=False),
    )


KINDS: Mapping[str, Callable[[Teller, Told, dict[str, Any]], f.Fact]] = {
    "order": _order,
    "premed": _order,
    "service": _service,
    "visit": _visit,
    **dict.fromkeys(DECISIONS, _authorization),
    "required": _required,
    "dispensed": _dispensed,
    "given": _given,
    "coverage": _coverage,
    "result": _result,
    "enrolled": _enrolled,
}
