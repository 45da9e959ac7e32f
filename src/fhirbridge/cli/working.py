"""Commands that do the bridge's work now: reconcile, sweep, subscriptions, parked."""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import (
    ConfigOption,
    Format,
    FormatOption,
    PatientsArgument,
    Wrong,
    bridge,
    configured,
    document,
    listing,
    progress,
    say_if_silent,
    subject_of,
    warn,
)

if TYPE_CHECKING:
    from fhirbridge.bridge.deciding import Decision
    from fhirbridge.bridge.reconciling import Outcome
    from fhirbridge.store import Store
    from fhirbridge.store.records import Dropped, Mark
    from fhirbridge.texts import Texts

_MOST_PARKED = 100_000
_SETTLED = 60.0  # seconds to wait for Subscriptions to become active


class Links(StrEnum):
    LIST = "list"
    ENSURE = "ensure"
    REMOVE = "remove"
    ROTATE = "rotate"


class Parked(StrEnum):
    LIST = "list"
    SHOW = "show"
    RETRY = "retry"
    DROP = "drop"
    DROPPED = "dropped"


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Example: fhirbridge reconcile ehr:Patient/p-7 --dry-run --explain",
    )(reconcile)
    app.command(epilog="Example: fhirbridge sweep --full")(sweep)
    app.command(epilog="Example: fhirbridge subscriptions ensure")(subscriptions)
    app.command(epilog="Example: fhirbridge parked retry ehr:Patient/p-7")(parked)


# --- reconcile


def reconcile(
    patients: PatientsArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the exact transaction, write nothing.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the ledger and why each finding is there.")
    ] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Read patients on every server, decide and write, now."""
    from fhirbridge import wiring

    reports: list[dict[str, Any]] = []
    undone = 0
    with bridge(config) as (found, made), progress("reading and deciding") as told:
        texts = wiring.words(found)
        subjects = [subject_of(each, found) for each in patients]
        try:
            for number, subject in enumerate(subjects, 1):
                outcome = made.reconcile(subject, dry_run=dry_run)
                told(number, len(subjects))
                if outcome.decision is None:
                    undone += 1
                    warn(_why_not(outcome.subject, dry_run))
                elif format is Format.TEXT:
                    _show(outcome, texts, dry_run=dry_run, explain_it=explain)
                else:
                    reports.append(_report(outcome, outcome.decision, texts, explain_it=explain))
        finally:
            # Interrupted, too: what was done is told.
            if format is Format.JSON:
                document(reports)
        if not dry_run:
            say_if_silent(found)
    raise typer.Exit(1 if undone else 0)


def _report(
    outcome: Outcome, decision: Decision, texts: Texts, *, explain_it: bool
) -> dict[str, Any]:
    from fhirbridge.explain import explained, finding_json

    findings = decision.judgement.findings
    return {
        "patient": outcome.subject,
        "findings": [finding_json(each, decision.person, texts) for each in findings],
        "bundle": outcome.bundle,
        "written": [f"{each.type}/{each.id}" for each in outcome.done],
        **({"explained": explained(decision, texts)} if explain_it else {}),
    }


def _why_not(subject: str, dry_run: bool) -> str:
    if dry_run:
        return f"{subject}: there is no such patient"
    return (
        f"{subject}: not done now. There is no such patient, another worker has it, or a server"
        " did not answer; it is tried again by itself. `fhirbridge parked` shows what is not."
    )


def _show(outcome: Outcome, texts: Texts, *, dry_run: bool, explain_it: bool) -> None:
    from fhirbridge.explain import explain
    from fhirbridge.fhir import jsonio

    decision = outcome.decision
    assert decision is not None
    if explain_it:
        print(explain(decision, texts))
    if dry_run:
        bundle = outcome.bundle
        print(jsonio.pretty(bundle).decode() if bundle else f"{outcome.subject}: nothing to write")
    elif not explain_it:
        print(f"{outcome.subject}: {len(decision.judgement.findings)} findings")
        for finding in decision.judgement.findings:
            print(
                f"  {finding.rule} ({finding.owner}): {texts.tell(finding, finding.owner).summary}"
            )
    for each in outcome.done:
        print(f"  {each.action} {each.type}/{each.id}")


# --- sweep


def sweep(
    full: Annotated[
        bool, typer.Option("--full", help="From the beginning, and read every patient again.")
    ] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Read what changed on every server since last time.

    What it concerns is worked on at once.
    """
    with bridge(config) as (found, made), progress("reading what changed") as told:
        swept, done = made.sweep(full=full), 0
        while did := made.work("sweep", limit=1):
            done += did
            told(done, None)
        if format is Format.JSON:
            unread = {"unread": sorted(swept.failed)} if swept.failed else {}
            document({"news": swept.news, "worked_on": done, **unread})
        else:
            print(f"{swept.news} changes were news; {done} patients and records were worked on")
        for error in swept.failed.values():
            warn(f"{error}; what changed there is still to be heard: sweep again")
        say_if_silent(found)
    raise typer.Exit(1 if swept.failed else 0)


# --- subscriptions


def subscriptions(
    what: Annotated[
        Links,
        typer.Argument(
            help="list what we hold, ensure that all stand, remove them all, rotate their secrets."
        ),
    ] = Links.LIST,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """The Subscriptions that we hold, and their health."""
    from fhirbridge import wiring

    settled = True
    with bridge(config) as (found, made):
        supervisor = wiring.supervise(found, made)
        if what is Links.REMOVE:
            removed = supervisor.remove()
            warn(f"{removed} Subscriptions were removed")
        if what is Links.ROTATE:
            warn(f"{supervisor.rotate()} Subscriptions have a new secret")
        if what in (Links.ENSURE, Links.ROTATE):
            end = time.monotonic() + _SETTLED
            while not (settled := supervisor.settled()) and time.monotonic() < end:
                if not supervisor.step():
                    time.sleep(0.1)
        rows = [
            {
                "server": row.source,
                "type": row.type,
                "state": row.state,
                "since": row.since.isoformat(timespec="seconds"),
                "last_heard": _when(row.last_heard),
                "problem": row.problem,
            }
            for row in made.store.subscriptions()
        ]
    listing(
        rows, format, "none; `fhirbridge subscriptions ensure` or `fhirbridge serve` makes them"
    )
    raise typer.Exit(0 if settled else 1)


# --- parked


def parked(
    what: Annotated[
        Parked,
        typer.Argument(help="list, show, retry or drop; dropped: what was dropped, and why."),
    ] = Parked.LIST,
    subjects: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SUBJECT]...", help="As `list` names them; retry: all if none."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            metavar="TEXT",
            help="Those whose subject or error holds this text, e.g. “pharmacy:”.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="retry, drop: all of them.")] = False,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="drop: why, without names of persons; it is kept for good.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Work set aside after an error that retrying cannot cure.

    What is dropped is owed again when something changes for the patient.
    """
    from fhirbridge import logs, wiring
    from fhirbridge.store import Store

    logs.set_up("WARNING")
    if len([way for way in (subjects, where, every) if way]) > 1:
        raise Wrong(f"parked {what.value}: give subjects, --where or --all, one of them")
    if what is Parked.SHOW and not subjects and not where:
        raise Wrong("name what to show: fhirbridge parked show SUBJECT")
    store = Store(configured(config).store, ids=wiring.names)
    try:
        these = _those_with(store, where) if where else subjects
        now = wiring.now()
        if what is Parked.RETRY:
            warn(f"due again: {store.retry(these, now)}")
        if what is Parked.DROP:
            if every:
                these = _those_with(store, "")
            warn(f"dropped: {_drop(store, these, reason, now)}")
        if what is Parked.DROPPED:
            rows = [_dropped(each) for each in store.dropped()]
        elif what is Parked.SHOW:
            rows = [_mark(_known(store, each)) for each in these or ()]
        else:
            marks = store.parked(_MOST_PARKED if where else 1000)
            wanted = these if what is Parked.LIST and (subjects or where) else None
            rows = [_mark(each) for each in marks if wanted is None or each.subject in wanted]
    finally:
        store.close()
    done = "was dropped" if what is Parked.DROPPED else "is set aside"
    listing(rows, format, f"nothing {done}" + (f" with “{where}” in it" if where else ""))


def _those_with(store: Store, text: str) -> list[str]:
    """Of what is set aside, the subjects in whose name or error the text stands."""
    text = text.lower()
    return [
        mark.subject
        for mark in store.parked(_MOST_PARKED)
        if text in f"{mark.subject} {mark.last_error or ''}".lower()
    ]


def _drop(store: Store, these: list[str] | None, reason: str | None, now: datetime) -> int:
    """All of them or none: what is not owed is named before anything is dropped."""
    if these is None:
        raise Wrong("name what to drop: fhirbridge parked drop SUBJECT, --where TEXT or --all")
    if not reason:
        raise Wrong("say why it is dropped, for those who look later: --reason TEXT")
    for subject in these:
        if (mark := store.mark(subject)) is None or mark.due_at is None:
            raise Wrong(f"{subject}: nothing is owed for it; `fhirbridge parked` lists what is")
    return sum(store.drop(subject, reason, now) for subject in these)


def _known(store: Store, subject: str) -> Mark:
    mark = store.mark(subject)
    if mark is None:
        raise Wrong(f"{subject}: nothing is known of it; `fhirbridge parked` lists them")
    return mark


def _dropped(each: Dropped) -> dict[str, object]:
    return {"subject": each.subject, "dropped": _when(each.at), "reason": each.why}


def _mark(mark: Mark) -> dict[str, object]:
    return {
        "subject": mark.subject,
        "attempts": mark.attempts,
        "waits_since": _when(mark.first_at),
        "parked": bool(mark.parked),
        "error": mark.last_error,
    }


def _when(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
