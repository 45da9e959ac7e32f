"""`fhirbridge written` and `fhirbridge retract`: see what was written, and take it back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from .common import (
    ConfigOption,
    Format,
    FormatOption,
    Wrong,
    bridge,
    document,
    known_rule,
    listing,
    moment,
    subject_of,
    table,
    warn,
)

if TYPE_CHECKING:
    from fhirbridge.bridge.bridge import Bridge
    from fhirbridge.settings import Settings


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: fhirbridge written --limit 20 --format json")(written)
    app.command(
        epilog="Example: fhirbridge retract --rule dispense-short --since 2026-11-01 --reason"
        " 'The strength of the new vial was wrong.' --dry-run",
    )(retract)


def written(
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many, the newest first.")] = 100,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """What was written on the servers: the audit, which is only ever added to.

    References and versions, no words: what a Task says stands on its server.
    """
    with bridge(config) as (_, made):
        rows = [
            {
                "at": each.at.isoformat(timespec="seconds"),
                "patient": each.subject,
                "action": each.written.action,
                "record": f"{each.written.source}:{each.written.type}/{each.written.id}",
                "version": each.written.version,
                "key": each.written.key,
                "digest": each.written.digest,
            }
            for each in made.store.writes(limit)
        ]
    listing(rows, format, "nothing was written yet")


def retract(
    reason: Annotated[
        str, typer.Option("--reason", help="A sentence for those who were told; no names.")
    ],
    rule: Annotated[str | None, typer.Option("--rule", help="Of this rule only.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Written from then on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="… and before then.")
    ] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", help="About one patient: ehr:Patient/p-7.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be taken back, write nothing.")
    ] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Take back Tasks that should not have been written: canceled with the reason, never deleted.

    A Task that a person works on gets a note instead. Mend the mapping first, or set the rule to
    `off`: other facts open a new Task.
    """
    from fhirbridge.bridge.retracting import Which, roots_last

    if not (rule or since or until or patient):
        raise Wrong("say what to take back: --rule, --since, --until or --patient")
    if not reason.strip():
        raise Wrong("say why it is taken back, for those who were told: --reason TEXT")
    with bridge(config) as (found, made):
        if rule:
            known_rule(rule)
        begin, end = moment(since, found), moment(until, found)
        if begin and end and begin >= end:
            raise Wrong(f"--since {since} is not before --until {until}")
        which = Which(rule, begin, end, _person(patient, found, made))
        assert made.retractor is not None  # every configuration with servers has a worklist
        done = roots_last(made.retractor.retract(which, reason, dry_run=dry_run))
    if format is Format.JSON:
        document([asdict(each) for each in done])
    elif done:
        table(
            ("patient", "task", "rule", "outcome", ""),
            [tuple(asdict(each).values()) for each in done],
        )
    if dry_run:
        warn("nothing was written (--dry-run)")
    elif not done:
        warn("nothing that we wrote is such")
    else:
        warn(
            "the same facts do not open such a Task again; changed ones do, unless the rule is off"
        )
    raise typer.Exit(1 if any(each.outcome == "failed" for each in done) else 0)


def _person(patient: str | None, found: Settings, made: Bridge) -> str | None:
    if patient is None:
        return None
    person = made.store.who(subject_of(patient, found))
    if person is None:
        raise Wrong(f"{patient}: nothing was written about it; `fhirbridge written` lists whom")
    return person.name
