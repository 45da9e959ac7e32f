"""A synthetic population: an infusion center's patients among many others, as NDJSON.

    python -m benchmarks.population FOLDER 2000000      about so many resources

One patient in ten has ocrelizumab orders, on three sources that share a record number; the
others have aspirin and a dentist. Every resource has 1–2 KB, as records of real servers do. No
randomness: the same numbers give the same files.
"""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from fhirbridge.fhir import jsonio

Json = dict[str, Any]
MRN = "http://hospital.example/mrn"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
UCUM = "http://unitsofmeasure.org"
FIRST = date(2026, 12, 8)
#: Patients with a known therapy: one in so many.
ONE_IN = 10


def person(number: int, treated: bool) -> dict[str, list[Json]]:
    """The records of one person by source: ten facts of a treated one."""
    if treated:
        return {
            "ehr": _ehr(number),
            "payer": _payer(number),
            "pharmacy": _pharmacy(number),
        }
    return {"ehr": _other(number), "payer": [], "pharmacy": []}


def write(folder: Path, resources: int) -> dict[str, int]:
    """NDJSON files by source and type, about so many resources. Returns how many of each source."""
    counts = {"ehr": 0, "payer": 0, "pharmacy": 0}
    streams: dict[tuple[str, str], Any] = {}
    try:
        number = 0
        while sum(counts.values()) < resources:
            for source, records in person(number, number % ONE_IN == 0).items():
                for record in records:
                    place = source, record["resourceType"]
                    if place not in streams:
                        (folder / source).mkdir(parents=True, exist_ok=True)
                        path = folder / source / f"{place[1]}.ndjson"
                        streams[place] = path.open("wb")
                    streams[place].write(jsonio.dumps(record) + b"\n")
                    counts[source] += 1
            number += 1
    finally:
        for stream in streams.values():
            stream.close()
    return counts


def _record(type_: str, id_: str, **elements: Any) -> Json:
    """A resource as a server stores it, with the words that servers add."""
    return {
        "resourceType": type_,
        "id": id_,
        "meta": {
            "versionId": "3",
            "lastUpdated": "2026-11-20T09:30:12.345-05:00",
            "source": "#a1b2c3d4e5f60718",
            "profile": [f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{type_.lower()}"],
        },
        "text": {
            "status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml"><table><tbody>'
            + "<tr><td>Synthetic</td><td>record of a benchmark</td></tr>" * 6
            + "</tbody></table></div>",
        },
        "identifier": [
            {
                "use": "official",
                "system": f"http://hospital.example/{type_.lower()}",
                "value": id_,
                "assigner": {"display": "Hospital Example"},
            }
        ],
        **elements,
    }


def _concept(system: str, code: str, display: str) -> Json:
    coding = {"system": system, "code": code, "display": display}
    return {"coding": [coding], "text": display}


def _mg(value: int) -> Json:
    return {"value": value, "unit": "mg", "system": UCUM, "code": "mg"}


def _who(source: str, number: int) -> Json:
    return {"reference": f"Patient/{source}-{number}"}


def _patient(source: str, number: int) -> Json:
    born = date(1950, 1, 1) + timedelta(days=number % 18_000)
    return _record(
        "Patient",
        f"{source}-{number}",
        identifier=[{"use": "usual", "system": MRN, "value": f"{number:09}"}],
        active=True,
        name=[{"use": "official", "family": f"Family{number}", "given": ["Given"]}],
        gender="female",
        birthDate=born.isoformat(),
        address=[{"line": ["1 Example Street"], "city": "Example", "state": "NY"}],
    )


OCREVUS = _concept(RXNORM, "1876380", "ocrelizumab 30 MG/ML Injectable Solution")


def order(number: int, name: str, drug: Json, dose: int, day: date, **more: Any) -> Json:
    """An order of a drug for one day, in mg."""
    return _record(
        "MedicationRequest",
        f"{name}-{number}",
        status="active",
        intent="order",
        medicationCodeableConcept=drug,
        subject=_who("ehr", number),
        authoredOn="2026-11-02T10:00:00-05:00",
        requester={"reference": "Practitioner/dr-1", "display": "Dr Example"},
        dosageInstruction=[
            {
                "text": "as ordered",
                "timing": {
                    "repeat": {"boundsPeriod": {"start": day.isoformat(), "end": day.isoformat()}}
                },
                "doseAndRate": [{"doseQuantity": _mg(dose)}],
            }
        ],
        dispenseRequest={"performer": {"reference": "Organization/pharmacy"}},
        **more,
    )


def _ehr(number: int) -> list[Json]:
    day = FIRST + timedelta(days=number % 60)
    main = {"reference": f"MedicationRequest/order-{number}"}
    steroid = _concept(RXNORM, "1743704", "methylprednisolone 125 MG Injection")
    antihistamine = _concept(RXNORM, "1049630", "diphenhydramine 50 MG")
    return [
        _patient("ehr", number),
        order(number, "order", OCREVUS, 600, day),
        order(number, "steroid", steroid, 100, day, basedOn=[main]),
        order(number, "antihistamine", antihistamine, 50, day, basedOn=[main]),
        _record(
            "ServiceRequest",
            f"service-{number}",
            status="active",
            intent="order",
            code=_concept(CPT, "96413", "Chemotherapy administration, intravenous infusion"),
            subject=_who("ehr", number),
            basedOn=[main],
        ),
        _record(
            "Appointment",
            f"visit-{number}",
            status="booked",
            serviceType=[{"text": "Infusion"}],
            start=f"{day.isoformat()}T09:00:00-05:00",
            end=f"{day.isoformat()}T14:00:00-05:00",
            basedOn=[{"reference": f"ServiceRequest/service-{number}"}],
            participant=[{"actor": _who("ehr", number), "status": "accepted"}],
        ),
    ]


def _payer(number: int) -> list[Json]:
    """The answer has two items, so two facts."""
    patient = _who("payer", number)
    items = []
    for sequence, code in enumerate(
        (
            _concept(HCPCS, "J2350", "Injection, ocrelizumab, 1 mg"),
            _concept(CPT, "96413", "Infusion"),
        ),
        start=1,
    ):
        items.append({"sequence": sequence, "productOrService": code, "quantity": {"value": 600}})
    items[1]["quantity"] = {"value": 1}
    reasons = [
        {
            "category": {"coding": [{"code": "submitted"}]},
            "extension": [
                {
                    "url": "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-reviewAction",
                    "extension": [
                        {"url": "number", "valueString": f"AUTH{number}"},
                        {
                            "url": "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/"
                            "extension-reviewActionCode",
                            "valueCodeableConcept": {
                                "coding": [
                                    {
                                        "system": "https://codesystem.x12.org/005010/306",
                                        "code": "A1",
                                    }
                                ]
                            },
                        },
                    ],
                }
            ],
        }
    ]
    return [
        _patient("payer", number),
        _record(
            "Coverage",
            f"coverage-{number}",
            status="active",
            beneficiary=patient,
            payor=[{"reference": "Organization/plan"}],
            period={"start": "2026-01-01", "end": "2027-12-31"},
        ),
        _record(
            "Claim",
            f"claim-{number}",
            status="active",
            use="preauthorization",
            patient=patient,
            created="2026-11-03",
            item=items,
        ),
        _record(
            "ClaimResponse",
            f"answer-{number}",
            status="active",
            use="preauthorization",
            outcome="complete",
            patient=patient,
            created="2026-11-10",
            insurer={"reference": "Organization/plan"},
            request={"reference": f"Claim/claim-{number}"},
            preAuthRef=f"AUTH{number}",
            preAuthPeriod={"start": "2026-11-01", "end": "2027-10-31"},
            item=[{"itemSequence": n, "adjudication": reasons} for n in (1, 2)],
        ),
    ]


def _pharmacy(number: int) -> list[Json]:
    """Every third patient gets half of what was ordered."""
    return [
        _patient("pharmacy", number),
        _record(
            "MedicationDispense",
            f"dispense-{number}",
            status="completed",
            medicationCodeableConcept=OCREVUS,
            subject=_who("pharmacy", number),
            quantity=_mg(300 if number % 30 == 0 else 600),
            whenHandedOver="2026-11-25",
        ),
    ]


def _other(number: int) -> list[Json]:
    """Somebody whom we do not treat, with as many records."""
    aspirin = _concept(RXNORM, "243670", "aspirin 81 MG Oral Tablet")
    day = FIRST + timedelta(days=number % 60)
    return [
        _patient("ehr", number),
        *(order(number, f"aspirin{n}", aspirin, 81, day) for n in range(7)),
        *(
            _record(
                "Appointment",
                f"dentist{n}-{number}",
                status="booked",
                serviceType=[{"text": "Dental cleaning"}],
                start=f"{day.isoformat()}T09:00:00-05:00",
                end=f"{day.isoformat()}T10:00:00-05:00",
                participant=[{"actor": _who("ehr", number), "status": "accepted"}],
            )
            for n in range(4)
        ),
    ]


if __name__ == "__main__":
    print(write(Path(sys.argv[1]), int(sys.argv[2])))
