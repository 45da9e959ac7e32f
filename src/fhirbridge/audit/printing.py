"""An audit's result for people (text) and for machines (json · ndjson · csv).

The findings go to standard output; json holds the summary too, and text ends with it. For
ndjson and csv, which have no place for it, the summary is text on standard error.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from fhirbridge.core.findings import Role
from fhirbridge.fhir import jsonio
from fhirbridge.texts import Texts

from .running import Result

FORMATS = ("text", "json", "ndjson", "csv")

#: Column of the CSV -> where it stands in a finding.
_CSV: Mapping[str, tuple[str, ...]] = {
    "patient": ("patient",),
    "therapy": ("therapy",),
    "rule": ("rule",),
    "severity": ("severity",),
    "owner": ("owner",),
    "occasion_key": ("occasion", "key"),
    "occasion_date": ("occasion", "date"),
    "due": ("due",),
    "summary": ("summary",),
    "ordered_per_visit": ("figures", "ordered", "per_visit"),
    "ordered_visits": ("figures", "ordered", "visits"),
    "ordered_total": ("figures", "ordered", "total"),
    "authorized_drug_decision": ("figures", "authorized", "drug", "decision"),
    "authorized_drug_per_visit": ("figures", "authorized", "drug", "per_visit"),
    "authorized_drug_visits": ("figures", "authorized", "drug", "visits"),
    "authorized_drug_total": ("figures", "authorized", "drug", "total"),
    "authorized_administration_decision": ("figures", "authorized", "administration", "decision"),
    "authorized_administration_visits": ("figures", "authorized", "administration", "visits"),
    "scheduled_start": ("figures", "scheduled", "start"),
    "dispensed_total": ("figures", "dispensed", "total"),
    "administered_total": ("figures", "administered", "total"),
    "evidence": ("evidence",),
    "key": ("key",),
    "digest": ("digest",),
}


def show(result: Result, form: str, texts: Texts, out: TextIO, aside: TextIO) -> None:
    """Print a result in one of `FORMATS`."""
    if form == "text":
        for line in _text(result, texts):
            print(line, file=out)
        return
    if form == "json":
        _json(result, out)
        return
    if form == "csv":
        _csv(result, out)
    else:
        for body in result.lines():
            print(body.decode(), file=out)
    print(result.summary.text, file=aside)


def _text(result: Result, texts: Texts) -> Iterator[str]:
    patient = None
    for finding in result.findings():
        if finding["patient"] != patient:
            patient = finding["patient"]
            yield patient
        due = f"by {finding['due']}" if finding["due"] else ""
        date = finding["occasion"]["date"] or "no day yet"
        owner = texts.name(Role(finding["owner"]).value)
        yield f"  {finding['severity']}  {due:13}  {finding['rule']}  ({owner})"
        yield f"      {finding['therapy']}, {date}: {finding['summary']}"
        yield f"      rests on {', '.join(finding['evidence']) or 'no record'}"
    if patient is not None:
        yield ""
    yield result.summary.text


def _json(result: Result, out: TextIO) -> None:
    """One document, written as it comes: there may be more findings than memory."""
    out.write('{"summary": ' + jsonio.dumps(result.summary.as_json).decode() + ', "findings": [')
    for number, body in enumerate(result.lines()):
        out.write((",\n" if number else "\n") + body.decode())
    out.write("\n]}\n")


def _csv(result: Result, out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV)
    for finding in result.findings():
        writer.writerow(_cell(finding, path) for path in _CSV.values())


def _cell(finding: Any, path: tuple[str, ...]) -> str:
    for key in path:
        finding = finding.get(key) if isinstance(finding, dict) else None
    if isinstance(finding, list):
        return " ".join(finding)
    return "" if finding is None else str(finding)
