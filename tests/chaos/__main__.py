"""`python -m tests.chaos`: what was lost, counted on the servers. Ends with 1 if anything was."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx
import yaml

from fhirbridge import wiring
from fhirbridge.settings import Settings
from fhirbridge.store import Store
from fhirbridge.yamlfile import Node, validate
from tests.bridge.estate import MRN
from tests.chaos import processes
from tests.chaos.hospital import Hospital, Verdict
from tests.chaos.mischief import Mischief, longest_outage
from tests.chaos.network import Network
from tests.chaos.processes import Disk, Program
from tests.servers import free_port

HOLDS = {
    "ehr": ["orders", "schedule", "administrations", "worklist"],
    "pharmacy": ["dispenses"],
}
#: Seconds: much shorter than in a hospital, so that a killed worker's work is seen to be done.
LEASE = 15
_AT_REST = 180.0  # seconds that the sweep and what comes of it may take


@dataclass
class Estate:
    """What runs."""

    settings: Settings
    folder: Path
    disk: Disk
    servers: dict[str, Program]
    victims: dict[str, Program]
    network: Network
    hospital: Hospital


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    wanted.add_argument("--seconds", type=float, default=90)
    wanted.add_argument("--seed", type=int, default=1)
    wanted.add_argument(
        "--down",
        type=float,
        help="seconds that each server is down; by default"
        " two minutes, or three tenths of the time if that is less",
    )
    wanted.add_argument("--people", type=int, default=150)
    wanted.add_argument("--rate", type=float, default=30, help="changes a second")
    wanted.add_argument("--logs", type=Path, help="keep what the programs say in this folder")
    asked = wanted.parse_args()
    longest = longest_outage(asked.seconds)
    down = longest if asked.down is None else asked.down
    if down > longest:
        wanted.error(
            f"--down {down:.0f} does not fit: at most {longest:.0f} of {asked.seconds:.0f} s"
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))  # and nothing is left running
    with tempfile.TemporaryDirectory(prefix="fhirbridge-chaos-") as scratch:
        folder = asked.logs or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with estate(folder, asked.people, Random(asked.seed)) as made:
            return play(made, asked.seconds, down, asked.rate, Random(asked.seed))


@contextmanager
def estate(folder: Path, people: int, rng: Random) -> Iterator[Estate]:
    """Two servers, the network, PostgreSQL, Redis, the web door and two workers."""
    with ExitStack() as stack:
        disk = Disk()
        stack.callback(disk.close)
        postgres, store = processes.postgres(folder, disk)
        redis, broker = processes.redis(folder)
        ports = {name: free_port() for name in HOLDS}
        servers = {
            name: Program(
                name, [sys.executable, "-m", "tests.chaos.server", name, str(port)], Path.cwd()
            )
            for name, port in ports.items()
        }
        for name, server in servers.items():
            server.log = folder / f"{name}.log"
        door_port = free_port()
        network = stack.enter_context(Network(f"http://127.0.0.1:{door_port}", rng))
        said: dict[str, Any] = {
            "instance": "chaos",
            "write": "on",
            "timezone": "America/New_York",
            "identity": [MRN],
            "servers": {
                name: {
                    "base_url": f"http://127.0.0.1:{port}/fhir",
                    "holds": HOLDS[name],
                    "timeout_seconds": 5,
                }
                for name, port in ports.items()
            },
            "public_url": network.url,
            "store": store,
            "broker": broker,
            "lease_seconds": LEASE,
            "most_new_tasks": None,
        }
        (folder / "fhirbridge.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
        serve = ["serve", "--no-worker", "--port", str(door_port)]
        victims = {
            "postgres": postgres,
            "redis": redis,
            "door": processes.command("door", folder, *serve, port=door_port),
            "worker-1": processes.command("worker-1", folder, "worker"),
            "worker-2": processes.command("worker-2", folder, "worker"),
        }
        for each in (*servers.values(), *victims.values()):
            stack.callback(each.stop)
        for each in (*servers.values(), *victims.values()):
            each.start(wait=True)
        urls = {name: f"http://127.0.0.1:{port}/fhir" for name, port in ports.items()}
        hospital = Hospital(urls, people, rng)
        stack.callback(hospital.close)
        settings = validate(Node(Path("chaos"), said), Settings)
        yield Estate(settings, folder, disk, servers, victims, network, hospital)


def play(made: Estate, seconds: float, down: float, rate: float, rng: Random) -> int:
    """The story from admission to verdict; answers the exit code."""
    _subscribed(made)
    made.hospital.admit()
    mischief = Mischief(
        made.victims,
        list(made.servers.values()),
        made.victims["worker-1"],
        made.disk,
        seconds=seconds,
        down=down,
        hang=LEASE * 1.5,
        rng=rng,
    )
    trouble = threading.Thread(target=mischief.play, name="mischief")
    trouble.start()
    made.hospital.live(seconds, rate)
    trouble.join()
    made.hospital.discharge()
    made.network.cut = True  # what the network still holds back will never come
    _at_rest(made)
    before = made.hospital.verdict(made.network.acknowledged, datetime.now(UTC)).lost
    began = time.monotonic()
    _swept(made)
    took = time.monotonic() - began
    verdict = made.hospital.verdict(made.network.acknowledged, datetime.now(UTC))
    left = _left_to_write(made)
    refused = made.network.answers["401"]
    _report(made, mischief, verdict, before, left, took)
    well = verdict.well and not (before or left or refused)
    print("all is well" if well else "SOMETHING WAS LOST OR IS WRONG")
    return 0 if well else 1


def _subscribed(made: Estate) -> None:
    """Until every server notifies us."""
    deadline = time.monotonic() + 60
    ready = f"{made.network.door}/readyz"
    while time.monotonic() < deadline:
        states = httpx.get(ready, timeout=10, trust_env=False).json().get("subscriptions", {})
        if states and set(states.values()) == {"active"}:
            return
        time.sleep(0.2)
    raise RuntimeError("the Subscriptions did not become active")


def _swept(made: Estate) -> None:
    """One sweep, by the command, and what comes of it, by the workers."""
    line = [sys.executable, "-c", "from fhirbridge.cli import main; main()", "sweep"]
    done = subprocess.run(
        line, cwd=made.folder, capture_output=True, text=True, check=False, timeout=_AT_REST
    )
    if done.returncode:
        raise RuntimeError(f"the sweep failed: {done.stdout}{done.stderr}")
    _at_rest(made)


def _at_rest(made: Estate) -> None:
    """Everything runs, what waits for a later try is tried now, and nothing is owed any more."""
    for each in made.victims.values():
        each.start(wait=True)
    store = Store(made.settings.store, ids=wiring.names)
    deadline = time.monotonic() + _AT_REST
    try:
        store.hurry(datetime.now(UTC))
        while time.monotonic() < deadline:
            counts = store.counts(datetime.now(UTC))
            if not (counts.due or counts.leased or counts.waiting):
                return
            time.sleep(0.2)
        print(f"not at rest after {_AT_REST:.0f} s: {counts}")
    finally:
        store.close()


def _left_to_write(made: Estate) -> int:
    """For how many people a bridge that remembers nothing would still write something."""
    fresh = made.settings.model_copy(update={"store": f"sqlite:///{made.folder}/fresh.db"})
    bridge = wiring.wire(fresh)
    try:
        people = (f"ehr:Patient/p-{n}" for n in range(made.hospital.people))
        return len([each for each in people if bridge.reconcile(each, dry_run=True).bundle])
    finally:
        bridge.close()


def _report(
    made: Estate, mischief: Mischief, verdict: Verdict, before: int, left: int, took: float
) -> None:
    network = made.network
    deeds = ", ".join(f"{what} ×{n}" for what, n in sorted(mischief.done.items()))
    if not made.disk.small:
        deeds += "; NOT a full disk: mounting a small file system was refused (be root)"
    fates = ", ".join(f"{fate} {n}" for fate, n in network.fates.most_common())
    answers = ", ".join(f"{code} ×{n}" for code, n in sorted(network.answers.items()))
    rows: list[tuple[str, object]] = [
        ("what went wrong", deeds),
        ("notifications", fates),
        ("answers of the door", answers),
        ("changes made on the servers", verdict.changes),
        ("acknowledged to the senders", verdict.acknowledged),
        ("processed, as the Tasks show", verdict.processed),
        ("lost", verdict.lost),
        ("… as it stood before the sweep", before),
        ("known senders refused (401)", network.answers["401"]),
        ("changes that no Task shows", verdict.unseen),
        ("Tasks expected", verdict.expected),
        ("Tasks found", verdict.found),
        ("… missing, doubled, outdated",
         f"{verdict.missing}, {verdict.doubled}, {verdict.outdated}"),
        ("people with something left to write", left),
        ("longest time to repair", f"{verdict.longest.total_seconds():.1f} s"),
        ("the sweep and what came of it", f"{took:.1f} s"),
    ]  # fmt: skip
    for name, value in rows:
        print(f"{name:<38} {value}")


if __name__ == "__main__":
    sys.exit(main())
