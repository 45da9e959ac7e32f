"""The systemd unit is one, and leaves little open. That it starts was tried by nobody here: that
needs a machine that systemd runs.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.servers import program

UNIT = Path(__file__).parents[2] / "deploy" / "fhirbridge.service"
_EXPOSED = 20  # tenths, as `systemd-analyze security` counts; 100 is everything


def analyzed(*arguments: str) -> str:
    command = [program("systemd-analyze", "systemd"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return done.stderr


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    there = UNIT.read_text("utf-8").replace("/opt/fhirbridge/bin/fhirbridge", "/bin/true")
    copy = tmp_path / UNIT.name
    copy.write_text(there, "utf-8")
    assert not analyzed("verify", str(copy))


def test_what_is_commented_out_is_right_too(tmp_path: Path) -> None:
    there = UNIT.read_text("utf-8").replace("/opt/fhirbridge/bin/fhirbridge", "/bin/true")
    shown = there.replace("# LoadCredential=", "LoadCredential=").replace("# Envi", "Envi")
    assert shown.count("LoadCredential=") == 2
    copy = tmp_path / UNIT.name
    copy.write_text(shown, "utf-8")
    assert not analyzed("verify", str(copy))


def test_little_is_left_open() -> None:
    analyzed("security", "--offline=true", f"--threshold={_EXPOSED}", str(UNIT))
