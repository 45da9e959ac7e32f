"""Every published and every recorded notification through the door: journaled as what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhirbridge.bridge.hearing import ANYTHING
from fhirbridge.fhir import jsonio
from fhirbridge.web.app import app
from fhirbridge.web.console import Console
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import Estate
from tests.web.test_door import HOOK, SECRET, Caller

EXAMPLES = Path(__file__).parents[1] / "fhir" / "notifications"
ENCOUNTER = "Encounter/86009987-eabe-42bf-8c02-b112b18cb616"
ORDER = "MedicationRequest/m-1"
UNSAID = f"MedicationRequest/{ANYTHING}"  # what the Subscription is for

#: File -> what the journal says of it afterwards, for a server whose records they name.
SAID: dict[str, list[tuple[str, str]]] = {
    "hapi_R4B_create_full-resource": [("changed", ORDER)],
    "hapi_R4B_update_id-only": [("changed", ORDER)],
    "hapi_R4B_delete_id-only": [("deleted", ORDER)],
    "hapi_R4B_delete_empty": [("touched", UNSAID)],
    "hapi_R5_create_full-resource": [("changed", ORDER)],
    "hapi_R5_update_id-only": [("changed", ORDER)],
    "hapi_R5_delete_id-only": [("deleted", ORDER)],
    "hapi_R5_delete_empty": [("touched", UNSAID)],
    "inferno_handshake_bundle_example": [],
    "inferno_heartbeat_bundle_example": [],
    "inferno_empty_notification_bundle_example": [("touched", UNSAID)],
    "inferno_empty_notification_bundle_non_conformant_example": [("touched", UNSAID)],
    "inferno_id_only_notification_bundle_example": [("changed", ENCOUNTER)],
    "inferno_full_resource_notification_bundle_example": [("changed", ENCOUNTER)],
    "inferno_preset_empty": [("touched", UNSAID)],
    "inferno_preset_id_only": [("changed", ENCOUNTER)],
    "inferno_preset_full_resource": [("changed", ENCOUNTER)],
    "inferno_subscription_status_example": [("changed", ENCOUNTER)],
}


def test_no_example_is_left_out() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(SAID)


@pytest.mark.parametrize("name", sorted(SAID))
def test_an_example_is_kept_as_what_it_says(estate: Estate, name: str) -> None:
    body = (EXAMPLES / f"{name}.json").read_bytes()
    # The examples name records of their own servers: here ours is that one.
    for base in (b"https://fhirserver.org/fhir", b"https://example.org/fhir"):
        body = body.replace(base, estate.servers["ehr"].base_url.encode())
    door = Caller(
        app(estate.bridge, Metrics(estate.bridge.store, estate.clock), Console(estate.bridge))
    )
    headers = {**SECRET, "Content-Type": "application/fhir+json"}
    answer = door("POST", HOOK, content=body, headers=headers)
    assert answer.status_code == 200
    assert jsonio.loads(answer.content)["resourceType"] == "Bundle"
    (line,) = estate.bridge.store.recent(1)
    assert (line.dialect, line.problem) == ("topic", None)
    assert [(each.verb, f"{each.type}/{each.id}") for each in line.events] == SAID[name]
    assert estate.bridge.store.gaps(estate.clock()) == []  # the first is where counting begins
