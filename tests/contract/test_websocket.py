"""The websocket of R4 Subscriptions, heard by our own client: HAPI has one, the others do not."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import pytest

from fhirbridge.fhir.subscription import WEBSOCKET, Sign, sign_of, wanted
from fhirbridge.fhir.websocket import Dropped, listen
from tests.contract.driver import Fhir

URL = "http://bridge.example"


def test_a_write_pings_who_is_bound(fhir: Fhir) -> None:
    if fhir.profile.name != "hapi":
        pytest.skip("this server has no websocket")
    asked = wanted(
        instance=fhir.u,
        server="ehr",
        type_="Task",
        public_url=URL,
        key="k-1",
        secret="s3cret",
        channel=WEBSOCKET,
    )
    found = fhir.activated(asked)
    assert sign_of(found, URL, "ehr", "k-1", WEBSOCKET) is Sign.SAYS_ACTIVE

    url = f"ws://{urlsplit(fhir.base_url).netloc}/websocket"
    bound, pinged, stop = threading.Event(), threading.Event(), threading.Event()

    def ear() -> None:
        listen(url, found["id"], headers={}, bound=bound.set, ping=pinged.set, stopped=stop.is_set)

    thread = threading.Thread(target=ear)
    thread.start()
    try:
        fhir.eventually(bound.is_set, "bound")
        fhir.made(fhir.task())
        fhir.eventually(pinged.is_set, "ping")
    finally:
        stop.set()
        thread.join()


def test_who_binds_to_nothing_is_hung_up_on(fhir: Fhir) -> None:
    if fhir.profile.name != "hapi":
        pytest.skip("this server has no websocket")
    url = f"ws://{urlsplit(fhir.base_url).netloc}/websocket"
    with pytest.raises(Dropped, match="closed"):
        listen(url, "nobody", headers={}, bound=str, ping=str, stopped=lambda: False)  # type: ignore[arg-type]  # it ends before it hears
