"""The doctor on a real HAPI, reached in every wrong way, and from within a container network."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.operate.doctoring import IMPATIENT, Doctor, failing, noted
from tests.operate.fakes import between, certificate, fake
from tests.servers import free_port, hapi_server, program

_PUSH = {"subscribe": "push"}


@pytest.fixture(scope="module")
def hapi() -> Iterator[str]:
    with hapi_server() as url:
        yield url


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    return Doctor(tmp_path)


def left_on(base_url: str) -> int:
    """How many records of a round trip still stand on the server."""
    tag = {"_tag": "urn:fhirbridge:tag|fhirbridge-probe", "_summary": "count"}
    found = [httpx.get(f"{base_url}/{type_}", params=tag) for type_ in ("Basic", "Task")]
    links = httpx.get(f"{base_url}/Subscription", headers={"Cache-Control": "no-cache"}).json()
    ours = [each for each in links.get("entry", ()) if "doctor" in str(each["resource"])]
    return sum(int(each.json()["total"]) for each in found) + len(ours)


def test_a_change_arrives_and_nothing_stays(doctor: Doctor, hapi: str) -> None:
    public = f"http://127.0.0.1:{free_port()}"
    signs = doctor(hapi, "--round-trip", server=_PUSH, public_url=public)
    assert not failing(signs)
    assert "HAPI FHIR Server, FHIR 4.0.1" in noted(signs)
    assert "a change of Basic arrived after" in noted(signs)
    assert not left_on(hapi)
    for sign in signs:  # what a remedy names in these quotes can be typed, or written
        for quoted in sign["remedy"].split("`")[1::2]:
            assert quoted.split()[0] in {"fhirbridge", "subscribe:", "write:"}, quoted


def test_a_wrong_address_names_the_right_one(doctor: Doctor, hapi: str) -> None:
    root = hapi.removesuffix("/fhir")
    for wrong in (root, f"{hapi}/R4"):
        assert f"did you mean base_url {hapi}?" in failing(doctor(wrong)), wrong


def test_a_proxy_with_a_certificate(doctor: Doctor, hapi: str, tmp_path: Path) -> None:
    good = certificate(tmp_path)
    with between(hapi, certificate=good) as url:
        assert "certificate is not trusted" in failing(doctor(url))
        assert not failing(doctor(url, server={"tls": {"ca": str(good)}}))


def test_a_clock_that_differs(doctor: Doctor, hapi: str) -> None:
    with between(hapi, skew=timedelta(minutes=-7)) as url:
        assert "s ahead of the server's: sign-in may be refused" in noted(doctor(url))


def test_a_proxy_that_lets_no_notification_through(hapi: str, tmp_path: Path) -> None:
    """Its health is ours, so all looks well; what HAPI sends to us ends there."""
    impatient = Doctor(tmp_path, program=IMPATIENT)
    with fake({"/healthz": (200, b"ok")}) as public:
        said = failing(impatient(hapi, "--round-trip", server=_PUSH, public_url=public))
    assert f"of a change nothing arrived at {public}" in said
    assert "in a container, 127.0.0.1 and localhost are the container itself" in said
    assert not left_on(hapi)


# --- from within a container network: HAPI is outside, at the other end of a wire

_OUTSIDE, _INSIDE = "10.203.77.1", "10.203.77.2"


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Doctor]:
    """A doctor whose loopback is its own, in what looks like a container."""
    box = subprocess.Popen([program("unshare", "util-linux"), "--net", "sleep", "300"])
    enter = [program("nsenter", "util-linux"), f"--net=/proc/{box.pid}/ns/net"]
    ours, theirs = f"fb{box.pid}a", f"fb{box.pid}b"

    def ip(*words: str, within: list[str] | None = None) -> None:
        command = [*(within or []), program("ip", "iproute2"), *words]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"this machine lets nobody lay a network here: {done.stderr.strip()}")

    try:
        while os.readlink(f"/proc/{box.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            if box.poll() is not None:
                pytest.skip("this machine lets nobody have a network of his own")
            time.sleep(0.01)
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", str(box.pid))
        ip("addr", "add", f"{_OUTSIDE}/30", "dev", ours)
        ip("link", "set", ours, "up")
        for words in (f"addr add {_INSIDE}/30 dev {theirs}", f"link set {theirs} up"):
            ip(*words.split(), within=enter)
        ip("link", "set", "lo", "up", within=enter)
        marked = 'mount -t tmpfs tmpfs /run && touch /run/.containerenv && exec "$@"'
        mounts = [program("unshare", "util-linux"), "--mount", "sh", "-c", marked, "sh"]
        yield Doctor(tmp_path, within=[*enter, *mounts])
    finally:
        box.kill()
        box.wait()


def test_from_a_container_localhost_is_the_container(inside: Doctor, hapi: str) -> None:
    signs = inside(hapi)
    assert "nothing listens at that address" in failing(signs)
    assert "the address of ehr is the container itself" in noted(signs)
    with between(hapi, host=_OUTSIDE) as url:
        said = failing(inside(url, server=_PUSH))
    assert "is the own address of whoever asks: ehr cannot notify us there" in said


def test_into_a_container_a_change_arrives(inside: Doctor, hapi: str) -> None:
    public = f"http://{_INSIDE}:8000"
    with between(hapi, host=_OUTSIDE) as url:
        signs = inside(url, "--round-trip", server=_PUSH, public_url=public)
        assert not failing(signs)
        assert "a change of Basic arrived after" in noted(signs)
        published = f"http://{_OUTSIDE}:{free_port()}"  # a port that nobody publishes
        said = failing(inside(url, "--round-trip", server=_PUSH, public_url=published))
    assert f"and {published} does not lead there" in said
    assert "check the proxy, the published port and the firewall" in said
    assert not left_on(hapi)
