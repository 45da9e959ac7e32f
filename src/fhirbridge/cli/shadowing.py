"""`fhirbridge shadow`: what would have been written, and what people did without it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from .common import (
    ConfigOption,
    Format,
    FormatOption,
    bridge,
    document,
    known_rule,
    moment,
    table,
    warn,
)


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: fhirbridge shadow --since 2026-11-01")(shadow)


def shadow(
    rule: Annotated[str | None, typer.Option("--rule", help="Of this rule only.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Found from then on.")
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """What was found in shadow, and what became of it though nobody was told.

    For each rule: how many findings would have been written, how many were put right by people
    (the records of the dose changed) or passed with time and after how long (half of them), and
    how many were still there on the day of the infusion. With --rule, or as JSON, each finding
    with its patient's reference.
    """
    from fhirbridge.bridge.shadowing import report, was_there

    with bridge(config) as (found, made):
        if rule:
            known_rule(rule)
        rows = made.store.all_shadows(rule, moment(since, found))
        now, calendar = made.clock(), made.calendar
    lines = report(rows, calendar, now)
    each = [
        {
            "rule": row.rule,
            "patient": row.subject,
            "key": row.key,
            "day": row.day,
            "since": row.since.astimezone(calendar.zone).isoformat(timespec="minutes"),
            "gone": row.gone and row.gone.astimezone(calendar.zone).isoformat(timespec="minutes"),
            "how": row.how or None,
            "on_the_day": was_there(row, calendar, now),
        }
        for row in rows
    ]
    if format is Format.JSON:
        document({"rules": [asdict(line) for line in lines], "findings": each})
        return
    if not rows:
        warn("nothing was found in shadow; rules are in shadow by `write: shadow`")
        return
    head = ("rule", "found", "put right", "after", "passed", "after", "dose ended", "folded")
    table(
        (*head, "written", "still there", "there on the day"),
        [
            (
                line.rule,
                line.found,
                line.put_right,
                _time(line.put_right_hours),
                line.passed,
                _time(line.passed_hours),
                line.ended,
                line.folded,
                line.written,
                line.standing,
                line.on_the_day,
            )
            for line in lines
        ],
    )
    if rule:
        print()
        names = ("patient", "day", "since", "gone", "how", "on_the_day")
        table(names, [[one[name] or "-" for name in names] for one in each])


def _time(hours: float | None) -> str:
    """Hours, or days from two on."""
    if hours is None:
        return "-"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} d"
