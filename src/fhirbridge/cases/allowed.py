"""What of a record may stand in a case: an allow-list by element, with how each is treated.

The list follows the readers (`fhir.read`): what none of them looks at is not here and so is
dropped. An element that is added to a reader is added here, else cases lose it (the test over the
labeled stories says so).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

#: Element -> how it is treated, or the elements inside it.
Node = Mapping[str, Any]


class Keep(StrEnum):
    """How a value is treated."""

    ID = "id"  # a logical id: numbered
    VERSION = "version"  # short numbers as they are, else numbered
    NUMBER_NAME = "number-name"  # an identifier's value, an authorization's number: numbered
    WORD = "word"  # a code of a fixed list: as it is, if we know it
    FLAG = "flag"
    NUMBER = "number"
    TEXT = "text"  # known words, amounts and times; every other word is exchanged
    TIME = "time"  # moved
    BIRTH = "birth"  # moved by a number of days of its own
    PRESENT = "present"  # only that it is there
    CODING = "coding"
    IDENTIFIER = "identifier"
    QUANTITY = "quantity"
    REFERENCE = "reference"
    EXTENSION = "extension"  # those of `EXTENSIONS`
    MODIFIER = "modifier"
    META = "meta"
    RESOURCE = "resource"  # by its own type
    INPUT = "input"  # of our own Tasks


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


CONCEPT: Node = {"coding": Keep.CODING, "text": Keep.TEXT}
PERIOD: Node = {"start": Keep.TIME, "end": Keep.TIME}
NOTE: Node = {"text": Keep.TEXT}

_ANY: Node = {
    "id": Keep.ID,
    "meta": Keep.META,
    "identifier": Keep.IDENTIFIER,
    "contained": Keep.RESOURCE,
    "extension": Keep.EXTENSION,
    "modifierExtension": Keep.MODIFIER,
    "implicitRules": Keep.PRESENT,
}
_TIMING: Node = {
    "event": Keep.TIME,
    "code": CONCEPT,
    "repeat": {
        "boundsPeriod": PERIOD,
        "boundsDuration": Keep.QUANTITY,
        "count": Keep.NUMBER,
        "countMax": Keep.NUMBER,
        "period": Keep.NUMBER,
        "periodMax": Keep.NUMBER,
        "periodUnit": Keep.WORD,
        "frequency": Keep.NUMBER,
        "frequencyMax": Keep.NUMBER,
    },
}
_DOSAGE: Node = {
    "sequence": Keep.NUMBER,
    "text": Keep.TEXT,
    "patientInstruction": Keep.TEXT,
    "additionalInstruction": CONCEPT,
    "asNeededBoolean": Keep.FLAG,
    "asNeededCodeableConcept": CONCEPT,
    "route": CONCEPT,
    "timing": _TIMING,
    "doseAndRate": {
        "type": CONCEPT,
        "doseQuantity": Keep.QUANTITY,
        "doseRange": {"low": Keep.QUANTITY, "high": Keep.QUANTITY},
    },
}
_DRUG: Node = {"medicationCodeableConcept": CONCEPT, "medicationReference": Keep.REFERENCE}
_ORDER: Node = {
    "status": Keep.WORD,
    "intent": Keep.WORD,
    "doNotPerform": Keep.FLAG,
    "authoredOn": Keep.TIME,
    "subject": Keep.REFERENCE,
    "basedOn": Keep.REFERENCE,
    "insurance": Keep.REFERENCE,
    "requester": Keep.REFERENCE,
    "performer": Keep.REFERENCE,
    "category": CONCEPT,
    "note": NOTE,
}
_PLACE: Node = {"locationCodeableConcept": CONCEPT, "locationReference": Keep.REFERENCE}
_SERVED: Node = {"servicedDate": Keep.TIME, "servicedPeriod": PERIOD}
_LINE: Node = {
    **_PLACE,
    **_SERVED,
    "itemSequence": Keep.NUMBER,
    "noteNumber": Keep.NUMBER,
    "productOrService": CONCEPT,
    "quantity": Keep.QUANTITY,
    "provider": Keep.REFERENCE,
    "adjudication": {"extension": Keep.EXTENSION, "category": CONCEPT},
    "extension": Keep.EXTENSION,
}
_PARTY: Node = {"name": Keep.TEXT}
_RESULT: Node = {
    "status": Keep.WORD,
    "subject": Keep.REFERENCE,
    "category": CONCEPT,
    "code": CONCEPT,
    "basedOn": Keep.REFERENCE,
    "effectiveDateTime": Keep.TIME,
    "effectiveInstant": Keep.TIME,
    "effectivePeriod": PERIOD,
    "issued": Keep.TIME,
}

_OWN: Mapping[str, Node] = {
    "Patient": {
        "birthDate": Keep.BIRTH,
        "active": Keep.FLAG,
        "deceasedBoolean": Keep.FLAG,
        "deceasedDateTime": Keep.TIME,
        "link": {"other": Keep.REFERENCE, "type": Keep.WORD},
    },
    "MedicationRequest": {
        **_ORDER,
        **_DRUG,
        "dosageInstruction": _DOSAGE,
        "groupIdentifier": Keep.IDENTIFIER,
        "priorPrescription": Keep.REFERENCE,
        "dispenseRequest": {
            "quantity": Keep.QUANTITY,
            "initialFill": {"quantity": Keep.QUANTITY},
            "numberOfRepeatsAllowed": Keep.NUMBER,
            "validityPeriod": PERIOD,
            "performer": Keep.REFERENCE,
        },
    },
    "ServiceRequest": {
        **_ORDER,
        "code": CONCEPT,
        "orderDetail": CONCEPT,
        "quantityQuantity": Keep.QUANTITY,
        "occurrenceDateTime": Keep.TIME,
        "occurrencePeriod": PERIOD,
        "occurrenceTiming": _TIMING,
        "patientInstruction": Keep.TEXT,
        "replaces": Keep.REFERENCE,
        "requisition": Keep.IDENTIFIER,
        "locationCode": CONCEPT,
        "locationReference": Keep.REFERENCE,
    },
    "Claim": {
        "status": Keep.WORD,
        "type": CONCEPT,
        "priority": CONCEPT,
        "patient": Keep.REFERENCE,
        "provider": Keep.REFERENCE,
        "insurer": Keep.REFERENCE,
        "facility": Keep.REFERENCE,
        "related": {"relationship": CONCEPT, "claim": Keep.REFERENCE},
        "item": {
            **_PLACE,
            **_SERVED,
            "sequence": Keep.NUMBER,
            "productOrService": CONCEPT,
            "quantity": Keep.QUANTITY,
            "detail": {"productOrService": CONCEPT},
            "extension": Keep.EXTENSION,
            "modifierExtension": Keep.MODIFIER,
        },
    },
    "ClaimResponse": {
        "status": Keep.WORD,
        "use": Keep.WORD,
        "type": CONCEPT,
        "outcome": Keep.WORD,
        "disposition": Keep.TEXT,
        "patient": Keep.REFERENCE,
        "request": Keep.REFERENCE,
        "insurer": Keep.REFERENCE,
        "requestor": Keep.REFERENCE,
        "created": Keep.TIME,
        "preAuthRef": Keep.NUMBER_NAME,
        "preAuthPeriod": PERIOD,
        "item": _LINE,
        "addItem": _LINE,
        "processNote": {"number": Keep.NUMBER, "text": Keep.TEXT},
    },
    "CoverageEligibilityRequest": {
        "patient": Keep.REFERENCE,
        "item": {"productOrService": CONCEPT, "detail": Keep.REFERENCE},
    },
    "CoverageEligibilityResponse": {
        "status": Keep.WORD,
        "outcome": Keep.WORD,
        "patient": Keep.REFERENCE,
        "request": Keep.REFERENCE,
        "preAuthRef": Keep.NUMBER_NAME,
        "servicedPeriod": PERIOD,
        "insurance": {
            "coverage": Keep.REFERENCE,
            "inforce": Keep.FLAG,
            "benefitPeriod": PERIOD,
            "item": {
                "category": CONCEPT,
                "productOrService": CONCEPT,
                "modifier": CONCEPT,
                "name": Keep.TEXT,
                "description": Keep.TEXT,
                "authorizationRequired": Keep.FLAG,
                "benefit": {
                    "type": CONCEPT,
                    "allowedUnsignedInt": Keep.NUMBER,
                    "usedUnsignedInt": Keep.NUMBER,
                    "allowedString": Keep.TEXT,
                    "usedString": Keep.TEXT,
                },
            },
        },
    },
    "Appointment": {
        "status": Keep.WORD,
        "cancelationReason": CONCEPT,
        "serviceCategory": CONCEPT,
        "serviceType": CONCEPT,
        "specialty": CONCEPT,
        "appointmentType": CONCEPT,
        "reasonCode": CONCEPT,
        "reasonReference": Keep.REFERENCE,
        "description": Keep.TEXT,
        "comment": Keep.TEXT,
        "start": Keep.TIME,
        "end": Keep.TIME,
        "basedOn": Keep.REFERENCE,
        "supportingInformation": Keep.REFERENCE,
        "participant": {"actor": Keep.REFERENCE},
    },
    "MedicationDispense": {
        **_DRUG,
        "status": Keep.WORD,
        "statusReasonCodeableConcept": CONCEPT,
        "type": CONCEPT,
        "subject": Keep.REFERENCE,
        "authorizingPrescription": Keep.REFERENCE,
        "performer": {"actor": Keep.REFERENCE},
        "destination": Keep.REFERENCE,
        "quantity": Keep.QUANTITY,
        "whenPrepared": Keep.TIME,
        "whenHandedOver": Keep.TIME,
        "dosageInstruction": {"text": Keep.TEXT, "route": CONCEPT},
    },
    "MedicationAdministration": {
        **_DRUG,
        "status": Keep.WORD,
        "subject": Keep.REFERENCE,
        "request": Keep.REFERENCE,
        "effectiveDateTime": Keep.TIME,
        "effectivePeriod": PERIOD,
        "dosage": {"text": Keep.TEXT, "route": CONCEPT, "dose": Keep.QUANTITY},
    },
    "Coverage": {
        "status": Keep.WORD,
        "type": CONCEPT,
        "beneficiary": Keep.REFERENCE,
        "payor": Keep.REFERENCE,
        "period": PERIOD,
        "order": Keep.NUMBER,
    },
    "Observation": {**_RESULT, "component": {"code": CONCEPT}},
    "DiagnosticReport": {
        **_RESULT,
        "result": Keep.PRESENT,
        "conclusion": Keep.PRESENT,
        "conclusionCode": Keep.PRESENT,
        "presentedForm": Keep.PRESENT,
    },
    "GuidanceResponse": {
        "status": Keep.WORD,
        "subject": Keep.REFERENCE,
        "moduleCodeableConcept": CONCEPT,
        "moduleUri": Keep.TEXT,
        "moduleCanonical": Keep.TEXT,
        "reasonCode": CONCEPT,
        "reasonReference": Keep.REFERENCE,
        "note": NOTE,
        "occurrenceDateTime": Keep.TIME,
        "outputParameters": Keep.REFERENCE,
    },
    "Parameters": {
        "parameter": {
            "name": Keep.TEXT,
            "valueDate": Keep.TIME,
            "valueDateTime": Keep.TIME,
            "resource": Keep.RESOURCE,
        },
    },
    "Medication": {
        "code": CONCEPT,
        "ingredient": {
            "itemCodeableConcept": CONCEPT,
            "strength": {"numerator": Keep.QUANTITY, "denominator": Keep.QUANTITY},
        },
    },
    "Location": {
        **_PARTY,
        "type": CONCEPT,
        "physicalType": CONCEPT,
        "address": {"use": Keep.WORD},
    },
    "Organization": _PARTY,
    "Practitioner": {},
    "PractitionerRole": {},
    "HealthcareService": _PARTY,
    "Task": {
        "status": Keep.WORD,
        "businessStatus": CONCEPT,
        "groupIdentifier": Keep.IDENTIFIER,
        "authoredOn": Keep.TIME,
        "priority": Keep.WORD,
        "for": Keep.REFERENCE,
        "performerType": CONCEPT,
        "reasonCode": CONCEPT,
        "restriction": {"period": PERIOD},
        "input": Keep.INPUT,
        "output": Keep.INPUT,
    },
}

#: Resource type -> its elements. A record of another type is dropped whole.
TYPES: Mapping[str, Node] = {kind: {**_ANY, **own} for kind, own in _OWN.items()}

#: The extensions that a reader knows, by the last part of their URL (`fhir.read.values.tail`).
EXTENSIONS = _set(
    """
    reviewAction reviewActionCode code number reasonCode itemAuthorizedDetail quantity
    productOrServiceCode authorizedService requestedService itemPreAuthPeriod
    itemPreAuthIssueDate itemRequestedServiceDate authorizationNumber
    administrationReferenceNumber itemAuthorizedProvider provider levelOfServiceCode
    infoCancelled infoCancelledFlag modifierextension-infoCancelled
    modifierextension-infoCancelledFlag certificationType modifierextension-certificationType
    ext-coverage-information pa-needed covered billingCode detail value satisfied-pa-id
    coverage-assertion-id date expiry-date coverage alternate-reference timezone
    """
)
#: Of these, the ones whose text is a number by which records are joined.
NUMBERED = _set(
    """
    number authorizationNumber administrationReferenceNumber satisfied-pa-id
    coverage-assertion-id
    """
)
#: The values that an extension may carry.
VALUES: Node = {
    "valueBoolean": Keep.FLAG,
    "valueCode": Keep.WORD,
    "valueCodeableConcept": CONCEPT,
    "valueCoding": Keep.CODING,
    "valueDate": Keep.TIME,
    "valueDateTime": Keep.TIME,
    "valuePeriod": PERIOD,
    "valueQuantity": Keep.QUANTITY,
    "valueReference": Keep.REFERENCE,
}
