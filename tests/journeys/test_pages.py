"""Every command that a page of the documentation names is run, or it is said why not.

The README, the tutorial and docs/how-to/audit-an-export.md's like are typed into a shell elsewhere
(`test_first_task`, `test_tutorial`). Here is everything else: blocks of shell, and spans that begin
with a program. Each command of ours is run on a small estate of three embedded servers, ends as it
should, and prints the words that whoever follows the page looks for. A command that stands in
neither table fails the test: say what it prints, or why it cannot run here.
"""

from __future__ import annotations

import gzip
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from fhirbridge.cli.main import main
from fhirbridge.sandbox import Sandbox
from fhirbridge.store import Store
from tests.bridge.estate import HOLDS, MRN, dispense, order, patient
from tests.test_docs_commands import PAGES, ROOT

from .shell import blocks, free_port

#: Pages that are typed whole by another test, and the one that tells of what was.
_TYPED = frozenset({"README.md", "tutorial.md", "CHANGELOG.md"})
#: Programs that begin a span which is a command.
_SPAN = re.compile(
    r"(?<!`)`((?:fhirbridge|make|docker|pip|python|pg_dump|pg_restore|systemctl|kill) [^`\n]+)`"
)
_INDENTED = re.compile(r"^    (fhirbridge .*)$", re.M)

#: What cannot run here, and why. The first pattern that a command matches counts.
ELSEWHERE: list[tuple[str, str]] = [
    (
        r"make ",
        "a suite or a build of its own: `make check` runs it, or docs/testing.md says why not",
    ),
    (r"python -m (tests|benchmarks)", "writes into the repository, or measures for minutes"),
    (r"python scripts/", "writes into the repository; a test says when its result is stale"),
    (r"pip install", "needs a package registry; `make image-steps` installs by the same locks"),
    (r"docker", "needs a container engine; `make image-steps` runs the steps of the Dockerfile"),
    (r"pg_(dump|restore)", "needs PostgreSQL: tests/services/test_store_postgres.py"),
    (r"systemctl", "needs systemd as the first process: tests/operate/test_unit.py"),
    (r"kill -HUP", "needs a running service: tests/operate/test_reload.py"),
    (r"fhirbridge worker", "needs Redis: tests/services/test_worker.py"),
    (r"fhirbridge serve", "stays until it is ended: the README and the tutorial start it"),
    (r"fhirbridge --install-completion", "writes into the home folder; its script is printed here"),
    (r"fhirbridge (audit|record|replay|keys)$", "a mention without its arguments"),
]


class Said(NamedTuple):
    """How a command has to end, and what it has to print."""

    words: str
    code: int = 0


#: Every command that is run: as the page has it, and what is to be seen.
SAID: dict[str, Said] = {
    "fhirbridge audit ehr=export/ehr payer=export/payer.ndjson.gz pharmacy=export/dispenses"
    " --holds payer=authorizations,coverage --as-of 2026-12-01": Said("dispense-short", 1),
    "_FHIRBRIDGE_COMPLETE=source_bash fhirbridge > fhirbridge.bash": Said("complete"),
    "fhirbridge config check": Said("can be used"),
    "fhirbridge config show": Said("instance"),
    "fhirbridge deliveries": Said("everything was understood"),
    "fhirbridge deliveries again --all": Said("everything was understood"),
    "fhirbridge doctor": Said("pharmacy: "),
    "fhirbridge doctor --format json": Said('"state": "ok"'),
    "fhirbridge doctor --round-trip": Said("round trip"),
    "fhirbridge init": Said("name a server", 2),
    "fhirbridge keys new": Said("Give the JWK Set below to each server"),
    "fhirbridge keys rotate": Said("sign"),
    "fhirbridge keys rotate --after 0": Said("sign"),
    "fhirbridge keys show": Said('"keys"'),
    "fhirbridge mappings check": Said("well"),
    "fhirbridge parked": Said("ehr:Patient/p-7"),
    "fhirbridge parked drop ehr:Patient/p-7 --reason moved away": Said("dropped: 1"),
    "fhirbridge parked dropped": Said("nothing was dropped"),
    "fhirbridge parked list": Said("ehr:Patient/p-7"),
    "fhirbridge parked list --where pharmacy:": Said("ehr:Patient/p-7"),
    "fhirbridge parked retry": Said("due again: 1"),
    "fhirbridge parked retry --where pharmacy:": Said("due again: 1"),
    "fhirbridge reconcile p-7 --dry-run --explain": Said("dispense-short"),
    "fhirbridge record ehr:Patient/p-7 -o case.json": Said("comes out the same"),
    "fhirbridge replay case.json --explain": Said("the same as was recorded"),
    "fhirbridge replay case.json --into FOLDER": Said("fhirbridge audit"),
    "fhirbridge retract": Said("--reason", 2),
    "fhirbridge retract --reason …": Said("--rule", 2),
    "fhirbridge shadow --rule R --since TIME": Said("there on the day"),
    "fhirbridge store backup /backup/fhirbridge.db": Said("fhirbridge.db"),
    "fhirbridge store check": Said("revision"),
    "fhirbridge store downgrade": Said("revision"),
    "fhirbridge store upgrade": Said("revision"),
    "fhirbridge subscriptions": Said("none; `fhirbridge subscriptions ensure`"),
    "fhirbridge subscriptions ensure": Said("active"),
    "fhirbridge subscriptions rotate": Said("new secret"),
    "fhirbridge sweep": Said("changes were news"),
    "fhirbridge sweep --full": Said("changes were news"),
    "fhirbridge written": Said("Task"),
}
#: Run by a shell, in a process of their own: it redirects, or writes what only the doctor may.
_IN_A_PROCESS = ("_FHIRBRIDGE_COMPLETE", "fhirbridge doctor --round-trip")
#: What stands for something of the reader's own.
_MEANT = {"R": "dispense-short", "TIME": "2026-11-01", "FOLDER": "unpacked"}


def commands() -> list[str]:
    """Every command of the pages once, without comments and with single spaces."""
    found: dict[str, None] = {}
    for page in PAGES:
        if page.name in _TYPED or "reference" in page.parts:
            continue  # the reference is made from the program
        text = page.read_text("utf-8")
        lines = [line for block in blocks(page) for line in block.lines()]
        lines += _INDENTED.findall(text)
        for span in _SPAN.findall(text):
            # Of several choices the first; what may be left out is there.
            lines.append(span.partition(r" \|")[0].replace("[", "").replace("]", ""))
        for line in lines:
            words = " ".join(shlex.split(line, comments=True)).replace(
                "reconcile …", "reconcile p-7"
            )
            found[words] = None
    return sorted(found)


def elsewhere(command: str) -> str | None:
    """Why a command is not run here."""
    return next((why for pattern, why in ELSEWHERE if re.match(pattern, command)), None)


COMMANDS = commands()
HERE = [each for each in COMMANDS if not elsewhere(each)]


def test_every_command_is_run_or_it_is_said_why_not() -> None:
    assert set(HERE) == set(SAID)
    used = {pattern for c in COMMANDS for pattern, _ in ELSEWHERE if re.match(pattern, c)}
    assert used == {pattern for pattern, _ in ELSEWHERE}, "a reason that no command needs"


Run = Callable[[str], tuple[int, str]]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs a command of ours where somebody who reads the pages would: the servers are there, a
    patient has got half of her drug, her work is parked, keys and a case are there."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def call(command: str) -> tuple[int, str]:
        if command.startswith(_IN_A_PROCESS):
            done = subprocess.run(
                ["bash", "-c", command],
                env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
                capture_output=True, text=True, timeout=120,
            )  # fmt: skip
            written = "".join(each.read_text("utf-8") for each in tmp_path.glob("*.bash"))
            return done.returncode, done.stdout + done.stderr + written
        words = [_MEANT.get(each, each) for each in _split(command.removeprefix("fhirbridge "))]
        words = [each.replace("/backup/", f"{tmp_path}/backup/") for each in words]
        monkeypatch.setattr(sys, "argv", ["fhirbridge", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    with ExitStack() as stack:
        servers = {name: stack.enter_context(Sandbox(name)) for name in HOLDS}
        _furnish(tmp_path, servers)
        yield call
    root.handlers[:], root.level = before, level


def _split(rest: str) -> list[str]:
    """The reason of `parked drop` lost its quotes with the others."""
    head, flag, reason = rest.partition("--reason ")
    return [*head.split(), *([flag.strip(), reason.strip()] if flag else [])]


def _furnish(folder: Path, servers: dict[str, Sandbox]) -> None:
    today = datetime.now(UTC).date()  # the commands look at the real clock
    for name in servers:
        servers[name].put(patient("p-7"))
    servers["ehr"].put(
        order(on=today + timedelta(days=10)) | {"subject": {"reference": "Patient/p-7"}}
    )
    half = dispense(mg=300, whenHandedOver=today.isoformat())
    servers["pharmacy"].put(half | {"subject": {"reference": "Patient/p-7"}})
    config = {
        "instance": "pages",
        "write": "on",
        "identity": [MRN],
        "public_url": f"http://127.0.0.1:{free_port()}",
        "servers": {
            name: {"base_url": server.base_url, "holds": HOLDS[name]}
            for name, server in servers.items()
        },
    }
    (folder / "fhirbridge.yaml").write_text(yaml.safe_dump(config))
    export, story = folder / "export", ROOT / "fixtures" / "a-short-dispense"
    shutil.copytree(story / "ehr", export / "ehr")
    (export / "dispenses").mkdir()
    for name in ("patient.json", "dispense-first.json"):
        shutil.copy(story / "pharmacy" / name, export / "dispenses")
    (folder / "backup").mkdir()
    with gzip.open(export / "payer.ndjson.gz", "wt") as payer:
        for each in sorted((story / "payer").rglob("*.json")):
            payer.write(" ".join(each.read_text("utf-8").split()) + "\n")


def _parked(folder: Path) -> None:
    now, ids = datetime.now(UTC), iter(range(100))
    store = Store(f"sqlite:///{folder}/fhirbridge.db", ids=lambda: f"id-{next(ids)}")
    store.raise_("ehr:Patient/p-7", now, why="a test")
    (lease,) = store.lease("w", now, timedelta(minutes=1))
    store.fail(lease, now, error="pharmacy: read: 400: refused", retry_at=None)
    store.close()


@pytest.mark.parametrize("command", HERE)
def test_a_command_does_what_its_page_says(
    command: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for first in _before(command):
        code, out = run(first)
        assert code == 0, (first, out)
    if command.startswith("fhirbridge parked"):
        _parked(tmp_path)
    if command.startswith("fhirbridge shadow"):
        monkeypatch.setenv("FHIRBRIDGE_WRITE", "shadow")
        run("fhirbridge reconcile p-7")
    if command == "fhirbridge init":
        (tmp_path / "fhirbridge.yaml").unlink()
    code, out = run(command)
    wanted = SAID[command]
    assert code == wanted.code, out
    assert wanted.words in out
    assert "Traceback" not in out


def _before(command: str) -> list[str]:
    """What the page has done before."""
    if command.startswith("fhirbridge keys") and not command.endswith("new"):
        return ["fhirbridge keys new"]
    if command.startswith("fhirbridge replay"):
        return ["fhirbridge record ehr:Patient/p-7 -o case.json"]
    if command == "fhirbridge subscriptions rotate":
        return ["fhirbridge subscriptions ensure"]
    if command.startswith(("fhirbridge written", "fhirbridge store", "fhirbridge retract")):
        return ["fhirbridge reconcile p-7"]
    return []
