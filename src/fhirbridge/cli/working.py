"""Commands that do the bridge's work now: reconcile, sweep, subscriptions."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import (
    ConfigOption,
    Format,
    FormatOption,
    PatientsArgument,
    bridge,
    document,
    listing,
    progress,
    say_if_silent,
    subject_of,
    warn,
    when,
)

if TYPE_CHECKING:
    from fhirbridge.bridge.bridge import Bridge
    from fhirbridge.bridge.deciding import Decision
    from fhirbridge.bridge.reconciling import Outcome
    from fhirbridge.bridge.story import Story, Watcher
    from fhirbridge.texts import Texts

_SETTLED = 60.0  # seconds to wait for Subscriptions to become active


class Links(StrEnum):
    LIST = "list"
    ENSURE = "ensure"
    REMOVE = "remove"
    ROTATE = "rotate"


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Example: fhirbridge reconcile ehr:Patient/p-7 --dry-run --explain",
    )(reconcile)
    app.command(epilog="Example: fhirbridge sweep --full")(sweep)
    app.command(epilog="Example: fhirbridge subscriptions ensure")(subscriptions)


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
                    warn(_why_not(made, outcome.subject, dry_run))
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
        "unread": _unread(decision),
        **({"explained": explained(decision, texts)} if explain_it else {}),
    }


def _unread(decision: Decision) -> list[str]:
    """What was not read to its end: rules that need it tell nothing, and no finding says so."""
    from fhirbridge.bridge.gathering import COMPLETE

    sight = decision.gathered.sight
    return [
        f"{source} {kind}" for (source, kind), state in sorted(sight.items()) if state != COMPLETE
    ]


def _why_not(made: Bridge, subject: str, dry_run: bool) -> str:
    """Why there is no decision, by what is still owed."""
    who = made.store.who(subject)
    mark = None if dry_run else made.store.mark(who.name if who else subject)
    if mark is None or (mark.due_at is None and not mark.parked):
        return f"{subject}: there is no such patient"
    if mark.owner is not None:
        return f"{subject}: another worker has it at this moment; it will be done"
    if mark.parked:
        return f"{subject}: set aside: {mark.last_error}; `fhirbridge parked` shows it"
    return (
        f"{subject}: not done now: {mark.last_error or 'there was news meanwhile'}; it is tried"
        " again by itself"
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
        if unread := _unread(decision):
            print(
                f"  not read, so not judged by: {', '.join(unread)}; `fhirbridge doctor` says why"
            )
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
    from fhirbridge.bridge.story import nobody

    with bridge(config) as (found, made):
        with progress("records read that changed") as told:
            made.watcher = _counting(told)
            swept, done = made.sweep(full=full), 0
        with progress("patients and records worked on") as told:
            made.watcher = nobody
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


def _counting(told: Callable[[int, int | None], None]) -> Watcher:
    """Tells how many records a sweep has heard of."""
    from fhirbridge.bridge.story import Arrived

    heard = 0

    def watch(story: Story) -> None:
        nonlocal heard
        if isinstance(story, Arrived):
            heard += len(story.events)
            told(heard, None)

    return watch


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

    settled, failed = True, False
    with bridge(config) as (found, made):
        supervisor = wiring.supervise(found, made)
        if what is Links.REMOVE:
            removed = supervisor.remove()
            warn(f"{removed} Subscriptions were removed")
        if what is Links.ROTATE:
            rotated, refusals = supervisor.rotate()
            warn(f"{rotated} Subscriptions have a new secret")
            for error in refusals.values():
                warn(f"{error}; the old secret goes on there: rotate again")
            failed = bool(refusals)
        if what in (Links.ENSURE, Links.ROTATE):
            end = time.monotonic() + _SETTLED
            with progress("waiting until the servers have started them, changes seen") as told:
                seen = 0
                while not (settled := supervisor.settled()) and time.monotonic() < end:
                    if changed := supervisor.step():
                        told(seen := seen + changed, None)
                    else:
                        time.sleep(0.1)
        rows = [
            {
                "server": row.source,
                "type": row.type,
                "state": row.state,
                "since": row.since.isoformat(timespec="seconds"),
                "last_heard": when(row.last_heard),
                "problem": row.problem,
                "id": row.server_id,
            }
            for row in made.store.subscriptions()
        ]
    listing(
        rows, format, "none; `fhirbridge subscriptions ensure` or `fhirbridge serve` makes them"
    )
    raise typer.Exit(0 if settled and not failed else 1)
