"""The systemd unit is one, leaves little open, and what it starts works within what it leaves.

systemd itself is not run: that needs a machine whose first process it is. (Never try it in a
namespace: it empties the machine's /tmp, as at any boot.) `ExecStart` is run as it is written, with
the unit's environment and nothing else, in a mount namespace as the unit orders it (everything
read-only but the state, an empty /tmp), as a user who is not root, without capabilities, with its
umask, its system calls and its address families. Not shown: the account of `User=`, `ProtectHome=`
(the interpreter of the tests may lie at home), private devices and hidden processes.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from fhirbridge.sandbox import Sandbox
from tests.operate.doctoring import NAMESPACES
from tests.servers import ROOT, free_port, program

UNIT = Path(__file__).parents[2] / "deploy" / "fhirbridge.service"
_EXPOSED = 20  # tenths, as `systemd-analyze security` counts; 100 is everything
_DEADLINE = 60.0
CONFIG = """\
instance: unit
timezone: America/New_York
public_url: http://127.0.0.1:{port}
servers:
  ehr: {{base_url: "{base}", holds: [orders, schedule, worklist]}}
"""


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


def settings(name: str) -> list[str]:
    """The values that the unit gives a setting, in their order."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.M)


def calls() -> set[str]:
    """The system calls that the unit allows: the first list, less those that begin with ~."""
    allowed, *denied = settings("SystemCallFilter")
    found = {name for group in allowed.split() for name in members(group)}
    for each in denied:
        assert each.startswith("~")
        found -= {name for group in each[1:].split() for name in members(group)}
    return found | members("@default")


def members(group: str) -> set[str]:
    """A set of system calls, with the sets that it names."""
    command = [program("systemd-analyze", "systemd"), "syscall-filter", group]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names = {line.strip() for line in done.stdout.splitlines()[1:] if not line.startswith("    #")}
    inner = {each for each in names if each.startswith("@")}
    return (names - inner - {""}).union(*map(members, inner))


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder that an empty /tmp does not hide, on a machine that lets us confine a process."""
    (ROOT / "build").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="unit-", dir=ROOT / "build"))
    tried = unshared(folder, "exec unshare --user --map-user=65534 test -x " + sys.executable)
    if (done := subprocess.run(tried, capture_output=True, text=True)).returncode:
        shutil.rmtree(folder)
        pytest.skip(f"this machine lets nobody confine a process here: {done.stderr.strip()}")
    yield folder
    shutil.rmtree(folder)


def unshared(state: Path, command: str) -> list[str]:
    """A shell command in a mount namespace in which only `state` can be written."""
    there = shlex.quote(str(state))
    script = (
        f"mount --bind {there} {there} && mount -o remount,bind,ro /"
        f" && mount -t tmpfs tmpfs /tmp && cd {there} && {command}"
    )
    return [program("unshare", "util-linux"), *NAMESPACES, "bash", "-c", script]


def confined(state: Path, calls_file: Path, config: Path) -> list[str]:
    """The command that the unit starts, within what it leaves to it."""
    (start,) = settings("ExecStart")
    words = shlex.split(start.replace("/opt/fhirbridge/bin", str(Path(sys.executable).parent)))
    assert settings("ProtectSystem") == ["strict"]
    assert settings("PrivateTmp") == ["yes"]
    environment = [f"FHIRBRIDGE_CONFIG={config}", "PATH=/usr/local/bin:/usr/bin:/bin"]
    assert settings("Environment") == ["FHIRBRIDGE_CONFIG=/etc/fhirbridge/fhirbridge.yaml"]
    assert settings("CapabilityBoundingSet") == [""]
    inside = [
        # Not root: SQLite gives its files to their owner if it is, and that call is denied.
        *("unshare", "--user", "--map-user=65534", "--map-group=65534"),
        *("setpriv", "--no-new-privs", "--inh-caps=-all"),
        *("env", "-i", *environment),
        *(sys.executable, str(Path(__file__).with_name("confined.py")), str(calls_file), *words),
    ]
    program("setpriv", "util-linux")
    return unshared(state, f"umask {settings('UMask')[0]} && exec {shlex.join(inside)}")


def until(what: str, is_so: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + _DEADLINE
    while not is_so():
        assert time.monotonic() < end, f"not in time: {what}: {log.read_text()[-3000:]}"
        time.sleep(0.05)


def test_what_it_starts_works_within_what_it_leaves(state: Path, tmp_path: Path) -> None:
    port = free_port()
    config, allowed, log = state / "fhirbridge.yaml", state / "calls", tmp_path / "log"
    allowed.write_text("\n".join(sorted(calls())), "utf-8")

    def alive() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
        except httpx.HTTPError:
            return False

    with Sandbox("ehr") as ehr:
        config.write_text(CONFIG.format(port=port, base=ehr.base_url), "utf-8")
        with log.open("wb") as out:
            process = subprocess.Popen(
                confined(state, allowed, config), stdout=out, stderr=out, cwd="/"
            )
        try:
            until("it is ready", lambda: process.poll() is not None or alive(), log)
            assert process.poll() is None, log.read_text()
            until("it has subscribed", lambda: len(ehr.all("Subscription")) >= 5, log)
            (reload,) = settings("ExecReload")
            command = reload.replace("$MAINPID", str(process.pid))
            subprocess.run(shlex.split(command), check=True)
            until("it has read its configuration again", lambda: _reloaded(log), log)
            until("it is ready again", alive, log)
        finally:
            process.terminate()
            try:
                code = process.wait(float(settings("TimeoutStopSec")[0]))
            finally:
                process.kill()
    assert code == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    made = {each.name: each.stat().st_mode & 0o777 for each in state.glob("fhirbridge.db*")}
    assert made.keys() >= {"fhirbridge.db"}
    assert set(made.values()) == {0o600}


def _reloaded(log: Path) -> bool:
    return "configuration_read_again" in log.read_text()


def test_what_it_does_not_leave_is_not_there(state: Path) -> None:
    """The confinement is one: a write outside the state, another family, a call that is denied."""
    allowed = state / "calls"
    allowed.write_text("\n".join(sorted(calls())), "utf-8")
    tries = {
        "open('/usr/outside', 'w')": "Read-only file system",
        "__import__('socket').socket(16, 3)": "Address family not supported",
        "__import__('os').sched_setaffinity(0, {0})": None,
        "open('inside', 'w')": "",
    }
    for tried, said in tries.items():
        command = confined(state, allowed, state / "fhirbridge.yaml")
        (start,) = settings("ExecStart")
        ours = shlex.join(
            shlex.split(start.replace("/opt/fhirbridge/bin", str(Path(sys.executable).parent)))
        )
        command[-1] = command[-1].replace(ours, shlex.join([sys.executable, "-c", tried]))
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE)
        if said is None:
            assert done.returncode == -31, done  # SIGSYS
        else:
            assert (done.returncode == 0) is (said == ""), done
            assert said in done.stderr
