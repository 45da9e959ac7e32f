"""Cases that can be given away: record, replay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import (
    ConfigOption,
    Format,
    FormatOption,
    PatientsArgument,
    Wrong,
    document,
    subject_of,
    warn,
    with_servers,
)

if TYPE_CHECKING:
    from random import Random

    from fhirbridge.bridge.bridge import Bridge
    from fhirbridge.bridge.ports import Server
    from fhirbridge.cases.document import Case
    from fhirbridge.cases.replaying import Replayed
    from fhirbridge.cases.shelved import Tape
    from fhirbridge.settings import Settings


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: fhirbridge record ehr:Patient/p-7 -o case.json")(record)
    app.command(epilog="Example: fhirbridge replay case.json --explain")(replay)


def record(
    patients: PatientsArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file that is written.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Keep what is decided of patients in a file, without the persons.

    Reads like a decision and writes to no server. Names become numbers, dates are moved by a
    random number of weeks, texts keep known words only; what is not needed is left out. The case
    is decided again before it is written; exit code 1 when it comes out otherwise.
    """
    from fhirbridge import private
    from fhirbridge.cases import document as cases
    from fhirbridge.cases.recording import NoSuchPatient
    from fhirbridge.cases.recording import record as recorded

    if output.exists() and not force:
        raise Wrong(f"{output} is there already: name another file, or write over it with --force")
    if not output.resolve().parent.is_dir():
        raise Wrong(f"{output}: there is no folder {output.resolve().parent}; make it first")
    with _taped(config) as (found, made, tapes):
        subjects = list(dict.fromkeys(subject_of(each, found) for each in patients))
        try:
            case = recorded(found, made, tapes, subjects, _chance())
        except NoSuchPatient as error:
            raise Wrong(str(error)) from None
    private.write(output, cases.dumps(case))
    if format is Format.JSON:
        document({"file": str(output), **_counted(case)})
    else:
        _say(case, output)
    raise typer.Exit(1 if case.differs else 0)


@contextmanager
def _taped(config: Path | None) -> Iterator[tuple[Settings, Bridge, dict[str, Tape]]]:
    """A bridge whose reads are taken down; its clock stands still, so that all is of one moment."""
    from fhirbridge import logs, wiring
    from fhirbridge.cases.shelved import Tape

    logs.set_up("WARNING")
    found = with_servers(config)
    tapes: dict[str, Tape] = {}
    now = wiring.now()

    def around(server: Server) -> Server:
        return tapes.setdefault(server.name, Tape(server))

    made = wiring.wire(found, clock=lambda: now, around=around)
    try:
        yield found, made, tapes
    finally:
        wiring.unwire(made)
        for tape in tapes.values():
            tape.close()


def _chance() -> Random:
    from random import SystemRandom

    return SystemRandom()


def _counted(case: Case) -> dict[str, object]:
    """What is in a case, and whether it came out the same."""
    return {
        "persons": len(case.decided),
        "records": sum(len(source.resources) for source in case.sources.values()),
        "findings": sum(len(each.findings) for each in case.decided),
        "same": not case.differs,
        "caveats": case.caveats,
        "differences": case.differs,
    }


def _say(case: Case, output: Path) -> None:
    of = _counted(case)
    warn(
        f"{output}: persons: {of['persons']}, records: {of['records']}, findings: {of['findings']}."
        " Read it before you give it away: it holds codes, amounts, weekdays and times of day."
    )
    for caveat in case.caveats:
        warn(f"  {caveat}")
    for difference in case.differs:
        warn(f"  differs from the original: {difference}")
    if not case.differs:
        warn(f"  Decided again, it comes out the same. To see it: fhirbridge replay {output}")


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `record` wrote.")],
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the ledger and why each finding is there.")
    ] = False,
    mappings: Annotated[
        list[Path] | None,
        typer.Option("--mappings", metavar="FOLDER", help="Mappings of the site, as it had them."),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into", metavar="FOLDER", help="Also unpack the records, for `fhirbridge audit`."
        ),
    ] = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Decide a recorded case again, with no server.

    Exit code 1 when something else is decided than was recorded.
    """
    from fhirbridge import logs
    from fhirbridge.cases import document as cases
    from fhirbridge.cases.replaying import replay as replayed

    logs.set_up("ERROR")
    if not file.is_file():
        raise Wrong(f"{file}: there is no such file; `fhirbridge record` makes one")
    case = cases.read(file)
    result = replayed(case, [str(each) for each in mappings or ()])
    if format is Format.JSON:
        document(_json(result, explain=explain))
    else:
        _print(result, explain_it=explain)
    if into is not None:
        _unpack(case, into)
    raise typer.Exit(1 if result.differences else 0)


def _print(result: Replayed, *, explain_it: bool) -> None:
    from fhirbridge import wiring
    from fhirbridge.explain import explain

    texts = wiring.words(result.settings)
    for subject, decision in result.decisions.items():
        findings = decision.judgement.findings
        print(explain(decision, texts) if explain_it else f"{subject}: {len(findings)} findings")
        for finding in () if explain_it else findings:
            said = texts.tell(finding, finding.owner).summary
            print(f"  {finding.rule} ({finding.owner}): {said}")
    for note in result.notes:
        print(note)
    for difference in result.differences:
        print(f"otherwise: {difference}")
    if not result.differences:
        print("the same as was recorded")


def _json(result: Replayed, *, explain: bool) -> dict[str, object]:
    from fhirbridge import wiring
    from fhirbridge.explain import explained, finding_json

    texts = wiring.words(result.settings)
    return {
        "same": not result.differences,
        "differences": result.differences,
        "notes": result.notes,
        "decided": [
            {
                "patient": subject,
                "findings": [
                    finding_json(each, decision.person, texts)
                    for each in decision.judgement.findings
                ],
                **({"explained": explained(decision, texts)} if explain else {}),
            }
            for subject, decision in result.decisions.items()
        ],
    }


def _unpack(case: Case, into: Path) -> None:
    """A folder for each source, one record a file, as `fixtures/` has them. What the file says of
    itself names no path: somebody else made it."""
    from fhirbridge.fhir import jsonio
    from fhirbridge.fhir.read.snapshot import is_id

    if into.exists() and any(into.iterdir()):
        raise Wrong(f"{into} is not empty: name a new folder")
    for name, source in case.sources.items():
        (into / name).mkdir(parents=True, mode=0o700)
        for number, each in enumerate(source.resources, 1):
            kind, id_ = each["resourceType"], each.get("id")
            last = id_ if isinstance(id_, str) and is_id(id_) else number
            (into / name / f"{kind}-{last}.json").write_bytes(jsonio.pretty(each) + b"\n")
    servers = case.settings["servers"]
    holds = " ".join(f"--holds {name}={','.join(servers[name]['holds'])}" for name in case.sources)
    warn(f"unpacked; to audit it: fhirbridge audit {into} --as-of {case.as_of.isoformat()} {holds}")
