"""A canary: a name, an identifier and secrets go through every path, failing ones too.

Then everything that people and machines can read is looked through: log, standard output and
error of the commands, the doctor, metrics, traces, console, reasons of parked work, the journal's
lines, errors with all that led to them.
"""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import respx

from fhirbridge import logs, signing, wiring
from fhirbridge.bridge.intake import Refused
from fhirbridge.bridge.story import Story
from fhirbridge.bridge.telling import tell
from fhirbridge.cli import main
from fhirbridge.cli.main import commands
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.errors import FhirError
from fhirbridge.settings import Settings
from fhirbridge.web.console import Console
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import MRN, Answer, Estate, Fake, Json, dispense, order, patient, visit
from tests.bridge.test_tracing import Recorder

NAME, NUMBER, BORN, TOKEN = "Quackenbush", "CANARY-4711", "1951-02-03", "t0ken-canary"
SECRETS = (NAME, NUMBER, BORN, TOKEN, "s3cret", "key-ehr", "key-payer")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged, at the finest level, as the program sets it up."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    logs.set_up("DEBUG", stream, form="json")
    for_machines = root.handlers[:]
    logs.set_up("DEBUG", stream)
    root.handlers += for_machines
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.tracer.close()


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    servers = {
        name: {
            "base_url": f"http://{name}.example/fhir",
            "holds": holds,
            "auth": {"bearer": TOKEN},
        }
        for name, holds in (
            ("ehr", ["orders", "schedule", "worklist"]),
            ("payer", ["authorizations"]),
            ("pharmacy", ["dispenses"]),
        )
    }
    made = Estate(tmp_path, servers=servers)
    for server, id_ in (("ehr", "p-1"), ("payer", "m-1"), ("pharmacy", "x-1")):
        made.put(server, person(id_))
    yield made
    made.close()


def person(id_: str) -> Json:
    name = [{"family": NAME, "given": ["Zebulon"]}]
    return patient(id_, mrn=NUMBER, born=BORN, name=name)


def gossip(fake: Fake, status: int) -> None:
    """Every answer is an error whose text tells everything."""
    told = {"severity": "error", "code": "processing", "diagnostics": f"{NAME} {NUMBER} {BORN}"}
    body = jsonio.dumps({"resourceType": "OperationOutcome", "issue": [told]})

    def answer(_: httpx.Request, __: Answer) -> httpx.Response:
        return httpx.Response(status, content=body, headers={"Content-Type": "application/json"})

    fake.around = answer


def well(estate: Estate) -> None:
    """The paths on which all goes well."""
    estate.put("ehr", order(note=[{"text": f"call {NAME}"}]))
    estate.put("ehr", visit(comment=f"{NAME} comes by bus"))
    estate.bridge.start()
    estate.work()
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    estate.remove("ehr", "Appointment/v-1")
    estate.work()
    estate.bridge.sweep(full=True)
    estate.work()
    assert estate.tasks()


def badly(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths on which nothing goes well; answers the messages of errors."""
    said = []
    for body in (f'{{"name": "{NAME}"', f"<html>{NAME}</html>", f'["{NUMBER}"]'):
        estate.notify("ehr", "POST", "", body.encode())
        estate.notify("ehr", "PUT", "MedicationRequest/o-1", body.encode())
    broken = order("o-9", dosageInstruction=[{"text": f"{NAME} q12h", "doseAndRate": NAME}])
    estate.put("ehr", {**broken, NAME: NUMBER, "authoredOn": f"{NAME}-99"})
    estate.work()
    with pytest.raises(Refused) as refused:
        estate.notify("ehr", "POST", "", b"{}", secret=TOKEN)
    said.append(str(refused.value))
    for status in (500, 400, 401, 409, 410):
        for fake in estate.servers.values():
            gossip(fake, status)
        estate.bridge.store.raise_("ehr:Patient/p-1", estate.clock(), why="test")
        estate.bridge.store.raise_("ehr:MedicationRequest/o-1", estate.clock(), why="test")
        estate.later(hours=2)
        wiring.supervise(estate.settings, estate.bridge).step()
        with pytest.raises(FhirError) as failed:
            estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
        said += traceback.format_exception(failed.value)

    def defect(*_: object) -> None:
        raise ValueError(f"{NAME} {NUMBER}")

    monkeypatch.setattr("fhirbridge.bridge.gathering.read", defect)
    for fake in estate.servers.values():
        fake.around = lambda request, go: go(request)
    estate.bridge.store.raise_("ehr:Patient/p-1", estate.clock(), why="test")
    for _ in range(12):
        estate.later(hours=2)
    return said


def test_no_person_and_no_secret_is_shown_anywhere(
    estate: Estate,
    recorder: Recorder,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    estate.traces = recorder.tracer
    estate.restart()
    store = estate.bridge.store
    meter, console = Metrics(store, estate.clock), Console(estate.bridge)

    def watch(story: Story) -> None:
        meter(story)
        console(story)
        tell(story)

    estate.bridge.watcher = watch
    well(estate)
    said = badly(estate, monkeypatch)
    shown = "\n".join(
        [
            log.getvalue(),
            *capsys.readouterr(),
            meter.text().decode(),
            recorder.shown(),
            console.page(),
            repr(estate.settings),
            repr(store.parked()),
            repr(store.recent(1000)),
            repr(store.writes()),
            repr(store.subscriptions()),
            *said,
        ]
    )
    assert "person_decided subject=ehr:Patient/p-1" in log.getvalue()  # something was logged
    assert store.parked()
    assert {"gather", "read", "decide", "write"} <= {span.name for span in recorder.spans}
    assert not [secret for secret in SECRETS if secret in shown]
    assert MRN not in log.getvalue()


#: All that read a configuration, but those that stay. `deliveries show` shows a body as it came.
COMMANDS = (
    "reconcile ehr:Patient/p-1 --dry-run --explain",
    "reconcile ehr:Patient/p-1 --format json",
    "sweep --full",
    "subscriptions list",
    "parked list",
    "parked show",
    "parked retry",
    "parked drop --all --reason test",
    "parked dropped --format json",
    "deliveries",
    "written --format json",
    "shadow --format json",
    "retract --reason test --dry-run",
    "record ehr:Patient/p-1 -o case.json --force",
    "replay case.json --explain",
    "keys new",
    "keys show",
    "mappings check",
    "store check",
    "config show",
    "doctor",
    "doctor --format json",
)


def test_every_command_is_looked_at() -> None:
    elsewhere = {"audit", "demo", "init"}  # test_audit, journeys/test_demo, test_beginning
    staying = {"serve", "worker", "sandbox"}
    assert {line.split()[0] for line in COMMANDS} == set(commands()) - elsewhere - staying


def commanded(line: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs a command as its entry point does; answers its exit code."""
    monkeypatch.setattr(sys, "argv", ["fhirbridge", *line.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.lives
def test_no_command_shows_a_person_or_a_secret(
    estate: Estate,
    log: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The commands over the same servers: first well, then with servers that tell everything."""
    servers = {
        name: {**server.model_dump(mode="json", exclude_defaults=True), "auth": {"bearer": TOKEN}}
        for name, server in estate.settings.servers.items()
    }
    config = {
        "servers": servers,
        "write": "on",
        "identity": [MRN],
        "store": f"sqlite:///{tmp_path}/commands.db",
        "management_token": f"{TOKEN}-management",
        "public_url": "https://fhirbridge.example",
    }
    (tmp_path / "fhirbridge.yaml").write_bytes(jsonio.dumps(config))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fhirbridge.cli.doctor.site.answered", lambda *_: None)
    estate.put("ehr", order(note=[{"text": f"call {NAME}"}]), tell=False)
    estate.put("ehr", visit(comment=f"{NAME} comes by bus"), tell=False)
    estate.put("pharmacy", dispense(mg=300), tell=False)
    codes = []
    with respx.mock:
        for name, fake in estate.servers.items():
            respx.route(host=f"{name}.example").mock(
                side_effect=lambda request, fake=fake: fake.handle_request(request)
            )
        codes += [commanded(line, monkeypatch) for line in COMMANDS]
        assert estate.tasks()
        for status in (400, 401, 409):
            for fake in estate.servers.values():
                gossip(fake, status)
            codes += [commanded(line, monkeypatch) for line in COMMANDS]
    said = capsys.readouterr()
    shown = said.out + said.err + log.getvalue()
    assert "ehr:Patient/p-1" in said.out
    assert "ehr: " in said.err  # an error of a server was told
    assert {0, 1, 2} == set(codes)
    assert not [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize(
    "error", ["invalid_client", "invalid_scope", "invalid_grant", NAME, None, {"x": NAME}]
)
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_no_failed_sign_in_shows_what_the_server_said(
    estate: Estate, log: io.StringIO, status: int, error: object
) -> None:
    told = {"error": error, "error_description": f"{NAME} {NUMBER}", "error_uri": TOKEN}
    answer = httpx.Response(status, json=told)
    secret = {"client_id": "bridge", "secret": "s3cret"}
    ehr: Json = {"base_url": "http://ehr.example/fhir", "holds": ["worklist"]}
    ehr |= {"auth": {"client_secret": secret | {"token_url": "http://ehr.example/token"}}}
    settings = Settings.model_validate({"servers": {"ehr": ehr}})
    auth = signing.sign_in(
        "ehr",
        settings,
        clock=estate.clock,
        ids=lambda: "id",
        transport=httpx.MockTransport(lambda _: answer),
    )
    with pytest.raises(FhirError) as failed:
        auth.headers()
    auth.close()
    shown = "".join(traceback.format_exception(failed.value)) + repr(auth) + log.getvalue()
    assert "ehr: sign in" in str(failed.value)
    assert not [secret for secret in SECRETS if secret in shown]
