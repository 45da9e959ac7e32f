"""The commands that work on servers: reconcile, sweep, subscriptions, on embedded ones."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhirbridge.fhir import jsonio
from fhirbridge.sandbox import Sandbox
from tests.bridge.estate import HOLDS, MRN, dispense, order, patient

TODAY = datetime.now(UTC).date()  # the commands look at the real clock
SOON = TODAY + timedelta(days=10)


class Site:
    """Three servers, a configuration, and the command in its folder."""

    def __init__(self, folder: Path, servers: dict[str, Sandbox]) -> None:
        self.folder, self.servers = folder, servers

    def write(self, mode: str) -> None:
        config = {
            "instance": "test",
            "write": mode,
            "identity": [MRN],
            "servers": {
                name: {"base_url": server.base_url, "holds": HOLDS[name]}
                for name, server in self.servers.items()
            },
        }
        (self.folder / "fhirbridge.yaml").write_text(yaml.safe_dump(config))

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from fhirbridge.cli import main; main()", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *arguments: str) -> Any:
        return jsonio.loads(self(*arguments, "--format", "json").stdout)

    def rules(self) -> set[str]:
        """The rules of the Tasks that stand."""
        return {
            coding["code"]
            for task in self.servers["ehr"].all("Task")
            for coding in task["reasonCode"]["coding"]
            if coding["system"] == "urn:fhirbridge:rule"
        }


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Sandbox(name)) for name in HOLDS}
        for name, id_ in (("ehr", "p-1"), ("payer", "m-1"), ("pharmacy", "x-1")):
            servers[name].put(patient(id_))
        servers["ehr"].put(order(on=SOON))
        servers["pharmacy"].put(dispense(mg=300, whenHandedOver=TODAY.isoformat()))
        made = Site(tmp_path, servers)
        made.write("shadow")
        yield made


def test_in_shadow_nothing_is_written_and_it_says_so_loudly(site: Site) -> None:
    done = site("reconcile", "p-1")
    assert "dispense-short (pharmacy): 300 mg dispensed of 600 mg ordered" in done.stdout
    assert "NOTHING is written to ehr. Set `write: on`" in done.stderr
    assert not site.rules()


def test_shadow_is_compared_with_what_people_did(site: Site) -> None:
    site("reconcile", "p-1")
    before = site.json("shadow", "--rule", "dispense-short")
    assert [(each["found"], each["standing"]) for each in before["rules"]] == [(1, 1)]
    (finding,) = before["findings"]
    assert finding["patient"] == "ehr:Patient/p-1"
    site.servers["pharmacy"].put(dispense("d-2", mg=300, whenHandedOver=TODAY.isoformat()))
    site("reconcile", "p-1")
    after = site.json("shadow", "--rule", "dispense-short")
    assert [(each["found"], each["put_right"]) for each in after["rules"]] == [(1, 1)]
    shown = site("shadow").stdout
    assert "there on the day" in shown
    assert "dispense-short" in shown
    assert (
        "did you mean “dispense-short”" in site("shadow", "--rule", "dispense-sort", code=2).stderr
    )


def test_a_dry_run_prints_exactly_what_is_then_sent(site: Site) -> None:
    site.write("on")
    (report,) = site.json("reconcile", "ehr:Patient/p-1", "--dry-run")
    assert not site.rules()
    before = len(site.servers["ehr"].requests)
    site("reconcile", "ehr:Patient/p-1")
    assert ("POST", "") in site.servers["ehr"].requests[before:]
    said = {each["resource"]["resourceType"] for each in report["bundle"]["entry"]}
    assert said == {"Task", "Communication", "Provenance"}
    assert {each["rule"] for each in report["findings"]} <= site.rules()
    (again,) = site.json("reconcile", "p-1", "--dry-run")
    assert again["bundle"] is None


def test_what_was_not_read_is_said_beside_the_findings(site: Site) -> None:
    """Without the pharmacy's records nothing of the dispense is wrong, as far as is known."""
    site.servers["pharmacy"].fail(403)
    said = site("reconcile", "p-1").stdout
    assert (
        " findings\n  not read, so not judged by: pharmacy dispenses; `fhirbridge doctor`" in said
    )
    assert "dispense-short" not in said
    (report,) = site.json("reconcile", "p-1")
    assert report["unread"] == ["pharmacy dispenses"]
    site.servers["pharmacy"].heal()
    (report,) = site.json("reconcile", "p-1")
    assert report["unread"] == []
    assert "not read" not in site("reconcile", "p-1").stdout


def test_explain_shows_the_ledger_and_every_rule(site: Site) -> None:
    said = site("reconcile", "p-1", "--dry-run", "--explain").stdout
    assert "dispensed" in said
    assert "ehr:MedicationRequest/o-1/_history/1" in said
    assert "dispense-short" in said


def test_a_sweep_hears_what_nobody_told_and_works_on_it(site: Site) -> None:
    site.write("on")
    assert site.json("sweep")["news"] > 0
    assert "dispense-short" in site.rules()
    assert site.json("sweep") == {"news": 0, "worked_on": 0}


def test_a_person_at_a_terminal_sees_how_far_a_sweep_is(site: Site) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from fhirbridge.cli import main; main()", "sweep"]
    with open(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            command,
            cwd=site.folder,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the other end is closed
            while more := terminal.read(1000):
                shown += more
        assert process.wait(60) == 0, shown
    assert re.search(rb"records read that changed: [1-9]", shown)
    assert re.search(rb"patients and records worked on: [1-9]", shown)


def short(site: Site) -> list[Any]:
    """The Tasks about the short dispense."""
    return [
        task
        for task in site.servers["ehr"].all("Task")
        if task["reasonCode"]["coding"][0]["code"] == "dispense-short"
    ]


def test_what_was_written_is_listed_and_taken_back_and_not_opened_again(site: Site) -> None:
    site.write("on")
    site("reconcile", "p-1")
    audit = site.json("written")
    assert {each["action"] for each in audit} == {"open", "tell", "attest"}
    assert {each["patient"] for each in audit} == {"ehr:Patient/p-1"}
    (task,) = short(site)
    others = [each["id"] for each in site.servers["ehr"].all("Task") if each["id"] != task["id"]]
    assert others

    call = ("retract", "--rule", "dispense-short", "--reason", "Our table of vials was wrong.")
    assert "nothing was written (--dry-run)" in site(*call, "--dry-run").stderr
    assert short(site)[0]["status"] == "requested"
    done = site(*call)
    assert f"Task/{task['id']}" in done.stdout
    assert "not open such a Task again" in done.stderr
    (task,) = short(site)
    assert task["status"] == "cancelled"
    assert task["statusReason"]["text"].endswith("Our table of vials was wrong.")

    site("reconcile", "p-1")
    site("sweep", "--full")
    assert [each["status"] for each in short(site)] == ["cancelled"]  # kept, and no second one
    assert site.json("written")[0]["action"] != "open"
    site.servers["pharmacy"].put(dispense(mg=450, whenHandedOver=TODAY.isoformat()))
    site("reconcile", "p-1")
    assert sorted(each["status"] for each in short(site)) == ["cancelled", "requested"]


def test_a_patient_and_a_span_of_time_are_taken_back(site: Site) -> None:
    site.write("on")
    site("reconcile", "p-1")
    tomorrow = (TODAY + timedelta(days=2)).isoformat()
    why = ("--reason", "Entered for a test.")
    assert "nothing that we wrote" in site("retract", "--since", tomorrow, *why).stderr
    assert (
        "nothing was written about it; `fhirbridge written` lists whom"
        in site("retract", "--patient", "ehr:Patient/p-9", *why, code=2).stderr
    )
    rows = site.json("retract", "--patient", "ehr:Patient/p-1", "--until", tomorrow, *why)
    assert {each["outcome"] for each in rows} == {"canceled"}
    tasks = site.servers["ehr"].all("Task")
    assert {each["status"] for each in tasks} == {"cancelled"}
    assert len(rows) == len(tasks) > 1  # the root too
    site("reconcile", "p-1")
    assert {each["status"] for each in site.servers["ehr"].all("Task")} == {"cancelled"}


def test_subscriptions_are_made_listed_and_removed(site: Site) -> None:
    rows = site.json("subscriptions", "ensure")
    assert {row["state"] for row in rows} == {"active"}
    assert len(rows) == len(site.json("subscriptions"))
    assert all(row["id"] for row in rows)  # by which they are told from others on the server
    site("subscriptions", "remove")
    assert not [each for server in site.servers.values() for each in server.all("Subscription")]


def test_a_patient_who_is_not_there_is_named(site: Site) -> None:
    assert (
        "ehr:Patient/nobody: there is no such patient"
        in site("reconcile", "nobody", "--dry-run", code=1).stderr
    )
    assert "there is no such patient" in site("reconcile", "nobody", code=1).stderr
    done = site("reconcile", "her:Patient/p-1", code=2)
    assert "no server is called her; did you mean “ehr”?" in done.stderr


def test_doctor_finds_servers_that_can_do_it(site: Site) -> None:
    signs = site.json("doctor")
    assert not [sign for sign in signs if sign["state"] == "fails"]
    assert {"ehr", "payer", "pharmacy", "store", "public_url"} <= {s["check"] for s in signs}
