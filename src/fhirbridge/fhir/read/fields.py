"""The elements of the resource types that are read, by FHIR R4 (4.0.1).

What stands in a record and not here was written for another version or by nobody's rules; it
is reported, not guessed at.
"""

from __future__ import annotations

_COMMON = "resourceType id meta implicitRules language text contained extension modifierExtension"

_OWN = {
    "MedicationRequest": """
        authoredOn basedOn category courseOfTherapyType detectedIssue dispenseRequest
        doNotPerform dosageInstruction encounter eventHistory groupIdentifier identifier
        instantiatesCanonical instantiatesUri insurance intent medicationCodeableConcept
        medicationReference note performer performerType priorPrescription priority
        reasonCode reasonReference recorder reportedBoolean reportedReference requester
        status statusReason subject substitution supportingInformation
    """,
    "ServiceRequest": """
        asNeededBoolean asNeededCodeableConcept authoredOn basedOn bodySite category code
        doNotPerform encounter identifier instantiatesCanonical instantiatesUri insurance
        intent locationCode locationReference note occurrenceDateTime occurrencePeriod
        occurrenceTiming orderDetail patientInstruction performer performerType priority
        quantityQuantity quantityRange quantityRatio reasonCode reasonReference
        relevantHistory replaces requester requisition specimen status subject
        supportingInfo
    """,
    "ClaimResponse": """
        addItem adjudication communicationRequest created disposition error form formCode
        fundsReserve identifier insurance insurer item outcome patient payeeType payment
        preAuthPeriod preAuthRef processNote request requestor status subType total type use
    """,
    "CoverageEligibilityResponse": """
        created disposition error form identifier insurance insurer outcome patient
        preAuthRef purpose request requestor servicedDate servicedPeriod status
    """,
    "Appointment": """
        appointmentType basedOn cancelationReason comment created description end identifier
        minutesDuration participant patientInstruction priority reasonCode reasonReference
        requestedPeriod serviceCategory serviceType slot specialty start status
        supportingInformation
    """,
    "MedicationDispense": """
        authorizingPrescription category context daysSupply destination detectedIssue
        dosageInstruction eventHistory identifier location medicationCodeableConcept
        medicationReference note partOf performer quantity receiver status
        statusReasonCodeableConcept statusReasonReference subject substitution
        supportingInformation type whenHandedOver whenPrepared
    """,
    "MedicationAdministration": """
        category context device dosage effectiveDateTime effectivePeriod eventHistory
        identifier instantiates medicationCodeableConcept medicationReference note partOf
        performer reasonCode reasonReference request status statusReason subject
        supportingInformation
    """,
    "Observation": """
        basedOn bodySite category code component dataAbsentReason derivedFrom device
        effectiveDateTime effectiveInstant effectivePeriod effectiveTiming encounter focus
        hasMember identifier interpretation issued method note partOf performer
        referenceRange specimen status subject valueBoolean valueCodeableConcept
        valueDateTime valueInteger valuePeriod valueQuantity valueRange valueRatio
        valueSampledData valueString valueTime
    """,
    "DiagnosticReport": """
        basedOn category code conclusion conclusionCode effectiveDateTime effectivePeriod
        encounter identifier imagingStudy issued media performer presentedForm result
        resultsInterpreter specimen status subject
    """,
    "GuidanceResponse": """
        dataRequirement encounter evaluationMessage identifier moduleCanonical
        moduleCodeableConcept moduleUri note occurrenceDateTime outputParameters performer
        reasonCode reasonReference requestIdentifier result status subject
    """,
    "Coverage": """
        beneficiary class contract costToBeneficiary dependent identifier network order
        payor period policyHolder relationship status subrogation subscriber subscriberId
        type
    """,
}

#: Resource type -> names of its elements.
FIELDS = {kind: frozenset(f"{_COMMON} {names}".split()) for kind, names in _OWN.items()}

#: Elements in which no reader looks for a drug or a service: who, when, in what state, what is
#: pointed at. What is not named here may tell one; `audit.screen` leans on that.
_NAMELESS = """
    resourceType id meta implicitRules language text identifier
    asNeededBoolean authoredOn basedOn beneficiary context courseOfTherapyType created daysSupply
    detectedIssue dispenseRequest doNotPerform effectiveDateTime effectiveInstant effectivePeriod
    encounter end eventHistory groupIdentifier instantiates instantiatesCanonical instantiatesUri
    insurer intent issued location minutesDuration occurrenceDateTime occurrencePeriod outcome
    participant partOf patient performer performerType period policyHolder preAuthPeriod preAuthRef
    priority quantity recorder reportedBoolean requestIdentifier requester requestor requisition
    servicedDate servicedPeriod slot specimen start status subject subscriber subscriberId
    substitution use whenHandedOver whenPrepared
"""
#: Resource type -> its elements that may tell which drug or service it is about.
TELLING = {
    kind: tuple(sorted(names.difference(_NAMELESS.split()))) for kind, names in FIELDS.items()
}
