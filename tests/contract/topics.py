"""Topic Subscriptions on a real HAPI, R4B and R5, and what our door makes of what it sends."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from fhirbridge.fhir.notify import BUNDLE, Heard, hear
from tests.contract.driver import Fhir, Listener

TOPIC = "http://bridge.example/SubscriptionTopic/orders"
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_WITHIN = 60.0  # seconds


def topic() -> dict[str, Any]:
    trigger = {"resource": "MedicationRequest", "supportedInteraction": ["create", "update"]}
    return {
        "resourceType": "SubscriptionTopic",
        "id": "orders",
        "url": TOPIC,
        "status": "active",
        "resourceTrigger": [trigger],
    }


def basic_topic() -> dict[str, Any]:
    """The same topic as R4 writes it: a Basic with the elements of R5 as extensions."""
    parts = [
        {
            "url": "resource",
            "valueUri": "http://hl7.org/fhir/StructureDefinition/MedicationRequest",
        },
        {"url": "supportedInteraction", "valueCode": "create"},
        {"url": "supportedInteraction", "valueCode": "update"},
    ]
    r5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic"
    code = {"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}
    return {
        "resourceType": "Basic",
        "id": "topic-orders",
        "code": {"coding": [code]},
        "modifierExtension": [{"url": f"{r5}.status", "valueCode": "active"}],
        "extension": [
            {"url": f"{r5}.url", "valueUri": TOPIC},
            {"url": f"{r5}.title", "valueString": "orders"},
            {"url": f"{r5}.resourceTrigger", "extension": parts},
        ],
    }


def subscription(version: str, endpoint: str, content: str) -> dict[str, Any]:
    """As that version of FHIR asks for it: R4B by the backport, R5 by its own elements."""
    if version == "R5":
        return {
            "resourceType": "Subscription",
            "status": "requested",
            "topic": TOPIC,
            "channelType": {
                "system": "http://terminology.hl7.org/CodeSystem/subscription-channel-type",
                "code": "rest-hook",
            },
            "endpoint": endpoint,
            "contentType": "application/fhir+json",
            "content": content,
        }
    payload = {"url": f"{_BACKPORT}/backport-payload-content", "valueCode": content}
    return {
        "resourceType": "Subscription",
        "meta": {"profile": [f"{_BACKPORT}/backport-subscription"]},
        "status": "requested",
        "reason": "a test",
        "criteria": TOPIC,
        "channel": {
            "type": "rest-hook",
            "endpoint": endpoint,
            "payload": "application/fhir+json",
            "_payload": {"extension": [payload]},
        },
    }


def notified(fhir: Fhir, version: str, content: str) -> tuple[dict[str, Any], list[Heard]]:
    """The order that was written, and the deliveries that came of it, as our door hears them."""
    fhir.made(topic())
    with Listener().listening() as listener:
        listener.answers = itertools.repeat((BUNDLE.status, BUNDLE.content_type or "", BUNDLE.body))
        asked = fhir.call("POST", "Subscription", subscription(version, listener.url, content))
        assert asked.status == 201, asked.body
        place = f"Subscription/{asked.body['id']}"
        _until(lambda: fhir.get(place).body["status"] == "active")
        fhir.patient()
        order = fhir.made(_order(fhir, version, "o"))
        _until(lambda: listener.heard)
        fhir.made(_order(fhir, version, "later"))
        _until(lambda: len(listener.heard) > 1)  # a repeat of the first would come before
        fhir.call("DELETE", place)
        return order, [
            hear("ehr", (fhir.base_url,), each.method, "", each.headers, each.body)
            for each in listener.heard
        ]


def _order(fhir: Fhir, version: str, name: str) -> dict[str, Any]:
    drug: dict[str, Any] = {"text": "ocrelizumab"}
    return {
        "resourceType": "MedicationRequest",
        "id": fhir.id(name),
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{fhir.id('p')}"},
        **({"medication": {"concept": drug}} if version == "R5" else {}),
        **({} if version == "R5" else {"medicationCodeableConcept": drug}),
    }


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _WITHIN
    while not condition():
        assert time.monotonic() < end, f"not within {_WITHIN:.0f} s"
        time.sleep(0.1)
