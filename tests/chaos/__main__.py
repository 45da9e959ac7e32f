"""`python -m tests.chaos`: what was lost, counted on the servers. Ends with 1 if anything was."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from tests.chaos.estate import LEASE, Estate, estate
from tests.chaos.hospital import Verdict
from tests.chaos.mischief import Mischief, longest_outage


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


def play(made: Estate, seconds: float, down: float, rate: float, rng: Random) -> int:
    """The story from admission to verdict; answers the exit code."""
    made.subscribed()
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
    made.at_rest()
    before = made.hospital.verdict(made.network.acknowledged, datetime.now(UTC)).lost
    began = time.monotonic()
    made.swept()
    took = time.monotonic() - began
    verdict = made.hospital.verdict(made.network.acknowledged, datetime.now(UTC))
    left = made.left_to_write()
    refused = made.network.answers["401"]
    _report(made, mischief, verdict, before, left, took)
    well = verdict.well and not (before or left or refused)
    print("all is well" if well else "SOMETHING WAS LOST OR IS WRONG")
    return 0 if well else 1


def _report(
    made: Estate, mischief: Mischief, verdict: Verdict, before: int, left: list[str], took: float
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
        ("answers of the doors", answers),
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
        ("people with something left to write", len(left)),
        ("longest time to repair", f"{verdict.longest.total_seconds():.1f} s"),
        ("the sweep and what came of it", f"{took:.1f} s"),
    ]  # fmt: skip
    for name, value in rows:
        print(f"{name:<38} {value}")
    for subject in left:
        print(f"left to write for {made.known_of(subject)}")


if __name__ == "__main__":
    sys.exit(main())
