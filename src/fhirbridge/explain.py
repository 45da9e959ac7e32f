"""A decision in words: the ledger as a table, every rule's verdict, every link and its reason.

print(explain(decision, texts))        for people
explained(decision, texts)             the same for machines
finding_json(finding, person, texts) one finding, as `audit` and `reconcile` print it
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fhirbridge.bridge.deciding import Decision
from fhirbridge.columns import aligned
from fhirbridge.core.facts import Ref
from fhirbridge.core.findings import Finding, key_of
from fhirbridge.core.ledger import Column, Occasion
from fhirbridge.core.rules.base import QUIET
from fhirbridge.core.rules.figures import COLUMNS, column_of
from fhirbridge.texts import Texts

#: What is wrong stands first; what is not is only listed.
_ORDER = {"fires": 0, "cannot tell": 1, "quiet": 2}
_TIERS = {0: "reference", 1: "identifier", 2: "attributes"}


def finding_json(finding: Finding, person: Ref, texts: Texts) -> dict[str, Any]:
    """One finding for machines. The names of its parts are stable; it holds nothing of the
    person but references."""
    patient = finding.patient or person
    return {
        "patient": patient.name,
        "therapy": finding.therapy,
        "rule": finding.rule,
        "severity": finding.severity.value,
        "owner": finding.owner.value,
        "occasion": {
            "key": finding.occasion,
            "date": finding.day.isoformat() if finding.day else None,
        },
        "due": finding.due.date().isoformat() if finding.due else None,
        "summary": texts.tell(finding, finding.owner).summary,
        "figures": dict(finding.figures),
        "evidence": [str(ref) for ref in finding.evidence],
        "key": finding.key,
        "digest": finding.digest,
    }


def explain(decision: Decision, texts: Texts) -> str:
    """The whole decision for people, as aligned plain text."""
    sections = [_header(decision)]
    sections += [_occasion(each, decision, texts) for each in decision.ledger.occasions]
    if decision.ledger.loose:
        sections.append(
            ["Belongs to no dose", *(f"  {fact.ref}" for fact in decision.ledger.loose)]
        )
    problems = decision.gathered.problems
    if problems:
        rows = [(str(p.ref), p.reason, p.at, p.said, " or ".join(p.readings)) for p in problems]
        sections.append(["Doubtful", *_table(rows)])
    look = decision.next_look
    sections.append([f"Looks again {look.isoformat() if look else 'when a record changes'}"])
    return "\n\n".join("\n".join(section) for section in sections)


def _header(decision: Decision) -> list[str]:
    lines = [f"{decision.person.name} as of {decision.as_of.isoformat()}"]
    others = [ref.name for ref in decision.gathered.records if ref.name != decision.person.name]
    if others:
        lines.append(f"  the same person: {', '.join(others)}")
    if not decision.gathered.treated:
        lines.append("  not treated any more: the record is inactive or says that the person died")
    rows = [
        (f"{source} {kind}", state)
        for (source, kind), state in sorted(decision.gathered.sight.items())
    ]
    lines += _table(rows)
    lines += [
        f"  answered in {answer.ref.name}: {finding.rule}: {answer.choice}"
        for answer, finding in decision.answers
    ]
    if not decision.ledger.therapies:
        lines.append("  no therapy that is known: nothing is looked at")
    return lines


def _occasion(occasion: Occasion, decision: Decision, texts: Texts) -> list[str]:
    day = occasion.day.isoformat() if occasion.day else "no day yet"
    lines = [f"{occasion.therapy.title} · {day} · dose {occasion.ordinal}"]
    rows: list[tuple[str, ...]] = [("", "per visit", "visits", "total", "", "rests on")]
    rows += [_row(name, column_of(occasion, name)) for name in COLUMNS]
    lines += _table(rows)
    steps = [(name, step) for name in COLUMNS for step in column_of(occasion, name).steps]
    if steps:
        lines += ["  measured", *_table(steps, indent=4)]
    ties = sorted(occasion.ties.items())
    if ties:
        lines.append("  linked")
        lines += _table(
            [
                (ref.name, f"→ {tie.order.name}", _TIERS.get(tie.tier, ""), tie.why)
                for ref, tie in ties
            ],
            indent=4,
        )
    lines += _verdicts(occasion, decision, texts)
    return lines


def _verdicts(occasion: Occasion, decision: Decision, texts: Texts) -> list[str]:
    judged = [v for v in decision.judgement.verdicts if v.occasion == occasion.key]
    if not judged:
        return ["  given, past or withdrawn: no rule looks at it"]
    refs = _findings_of(occasion, decision)
    rows = []
    for verdict in sorted(judged, key=lambda each: _ORDER[each.outcome]):
        said = [_said(f, texts) for f in refs if f.rule == verdict.rule]
        if said or verdict.outcome != QUIET[0]:
            rows.append((verdict.rule, verdict.outcome, " / ".join(said) or verdict.why))
    rows += [
        (f.rule, "fires", _said(f, texts)) for f in refs if f.rule not in {v.rule for v in judged}
    ]
    quiet = ", ".join(verdict.rule for verdict in judged if verdict.outcome == QUIET[0])
    lines = ["  rules", *_table(rows, indent=4)]
    return lines + ([f"    quiet: {quiet}"] if quiet else [])


def _said(finding: Finding, texts: Texts) -> str:
    summary = texts.tell(finding, finding.owner).summary
    return f"{summary} (part of {finding.folded_into})" if finding.folded_into else summary


def _findings_of(occasion: Occasion, decision: Decision) -> list[Finding]:
    """The findings about one dose; a finding names its dose by the key that is written."""
    name = key_of(decision.person.name, occasion.therapy.name, occasion.key)
    return [each for each in decision.judgement.findings if each.occasion == name]


def _row(name: str, column: Column) -> tuple[str, ...]:
    refs = ", ".join(str(ref) for ref in column.refs)
    doubt = ", ".join(sorted({problem.reason for problem in column.problems}))
    return (
        name,
        str(column.per_visit or ""),
        "" if column.visits is None else str(column.visits),
        str(column.total or ""),
        " ".join(word for word in (column.decision, doubt) if word),
        refs or "–",
    )


def _table(rows: Iterable[Sequence[str]], indent: int = 2) -> list[str]:
    return [" " * indent + line for line in aligned(rows)]


def explained(decision: Decision, texts: Texts) -> dict[str, Any]:
    """The decision for machines."""
    return {
        "person": decision.person.name,
        "as_of": decision.as_of.isoformat(),
        "records": [ref.name for ref in decision.gathered.records],
        "sight": {f"{s} {k}": state for (s, k), state in sorted(decision.gathered.sight.items())},
        "occasions": [_occasion_json(each) for each in decision.ledger.occasions],
        "verdicts": [
            {"rule": v.rule, "occasion": v.occasion, "outcome": v.outcome, "why": v.why}
            for v in decision.judgement.verdicts
        ],
        "findings": [
            {**finding_json(f, decision.person, texts), "folded_into": f.folded_into}
            for f in decision.judgement.findings
        ],
        "answers": [
            {"task": answer.ref.name, "rule": finding.rule, "choice": answer.choice}
            for answer, finding in decision.answers
        ],
        "waits": [
            {"key": each.key, "do": each.do.value, "since": each.since.isoformat()}
            for each in decision.held.waits
        ],
        "next_look": decision.next_look.isoformat() if decision.next_look else None,
    }


def _occasion_json(occasion: Occasion) -> dict[str, Any]:
    columns = {}
    for name in COLUMNS:
        column = column_of(occasion, name)
        columns[name] = {
            "per_visit": str(column.per_visit) if column.per_visit else None,
            "visits": column.visits,
            "total": str(column.total) if column.total else None,
            "decision": column.decision or None,
            "rests_on": [str(ref) for ref in column.refs],
            "measured": list(column.steps),
            "problems": [problem.reason for problem in column.problems],
        }
    return {
        "therapy": occasion.therapy.name,
        "key": occasion.key,
        "date": occasion.day.isoformat() if occasion.day else None,
        "columns": columns,
        "links": [
            {"record": ref.name, "order": tie.order.name, "tier": tie.tier, "why": tie.why}
            for ref, tie in sorted(occasion.ties.items())
        ],
    }
