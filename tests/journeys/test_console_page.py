"""The console as a person sees it: a real Chromium loads it from a running bridge."""

from __future__ import annotations

import struct
import subprocess
from html.parser import HTMLParser
from pathlib import Path

from tests.journeys.hospital import hospital
from tests.servers import program

_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Words(HTMLParser):
    """The words of a page, without its style sheet."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._hidden = tag in ("style", "script", "title")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words += data.split()


def chromium(folder: Path, *what: str) -> str:
    """Run a headless browser once, with a profile of its own; what it prints."""
    command = [program("chromium", "chromium"), *_QUIET, f"--user-data-dir={folder}/profile", *what]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_console_tells_what_was_found_and_names_no_person(tmp_path: Path) -> None:
    with hospital(tmp_path) as estate:
        estate.people()
        estate.put("ehr", estate.order(), estate.visit())
        estate.put("pharmacy", estate.dispense(mg=300))
        estate.settle()
        url = f"{estate.service.url}/"
        page = Words()
        page.feed(chromium(tmp_path, "--dump-dom", url))
        chromium(tmp_path, "--window-size=1000,1400", "--screenshot=page.png", url)
    text = " ".join(page.words)
    assert "Tasks are written." in text
    assert "0 due, 0 being worked on, 0 waiting for more news or a later try, 0 parked" in text
    assert "MedicationDispense: active, heard" in text
    assert f"ehr:Patient/p-{estate.u} dispense-short S2" in text
    assert estate.u not in text.replace(f"p-{estate.u}", ""), "the record number of the person"
    picture = (tmp_path / "page.png").read_bytes()
    assert struct.unpack(">II", picture[16:24]) == (1000, 1400)
    assert len(picture) > 20_000, "an empty page would be a few kilobytes"
