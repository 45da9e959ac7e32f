"""What a server can be believed for, and the resource types in which it says so.

`holds: [orders, schedule]` in the configuration makes these types of that server facts. What a
server says outside of what it holds is not read: a pharmacy's copy of an order is not the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

KINDS: Mapping[str, tuple[str, ...]] = {
    "orders": ("MedicationRequest", "ServiceRequest"),
    "schedule": ("Appointment",),
    "authorizations": (
        "Claim",
        "ClaimResponse",
        "CoverageEligibilityRequest",
        "CoverageEligibilityResponse",
    ),
    "coverage": ("Coverage",),
    "dispenses": ("MedicationDispense",),
    "administrations": ("MedicationAdministration",),
    "results": ("DiagnosticReport", "Observation"),
    "rems": ("GuidanceResponse",),
    "worklist": ("Task",),
}


def types_of(holds: Iterable[str]) -> tuple[str, ...]:
    """The resource types of these kinds, each once, in a stable order."""
    return tuple(dict.fromkeys(type_ for kind in sorted(holds) for type_ in KINDS[kind]))


def kind_of(type_: str) -> str | None:
    """The kind to which a resource type belongs; None for Patient and all others."""
    return next((kind for kind, types in KINDS.items() if type_ in types), None)
