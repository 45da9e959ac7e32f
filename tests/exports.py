"""Exports for the tests of the audit: one person's records, and the forms in which they come."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fhirbridge.fhir import jsonio
from tests.fhir import records
from tests.fhir.records import INFUSION, OCREVUS, dose, mg

Json = dict[str, Any]
AS_OF = datetime(2026, 12, 1, 15, tzinfo=UTC)
MRN = "http://hospital.example/mrn"


def patient(id_: str = "p-7", mrn: str = "M-7", born: str = "1980-02-03", **more: Any) -> Json:
    identifiers = [{"system": MRN, "value": mrn}]
    name = [{"family": "Canary", "given": ["Yellow"]}]
    return {
        "resourceType": "Patient",
        "id": id_,
        "identifier": identifiers,
        "birthDate": born,
        "name": name,
        **more,
    }


def subject(id_: str) -> Json:
    return {"reference": f"Patient/{id_}"}


def order(id_: str = "p-7", **more: Any) -> Json:
    dosage = [dose(600, boundsPeriod={"start": "2026-12-08", "end": "2026-12-08"})]
    valid = {"validityPeriod": {"start": "2026-11-01", "end": "2026-12-31"}}
    own: Json = {"id": f"o-{id_}", "subject": subject(id_)}
    own |= {"dosageInstruction": dosage, "dispenseRequest": valid}
    return records.medication_request(**(own | more))


def visit(id_: str = "p-7", **more: Any) -> Json:
    return {
        "resourceType": "Appointment",
        "id": f"v-{id_}",
        "status": "booked",
        "serviceType": [{"text": "Infusion"}],
        "start": "2026-12-08T14:00:00Z",
        "end": "2026-12-08T18:00:00Z",
        "participant": [{"actor": subject(id_), "status": "accepted"}],
        "basedOn": [{"reference": f"ServiceRequest/s-{id_}"}],
        **more,
    }


def service(id_: str = "p-7") -> Json:
    return {
        "resourceType": "ServiceRequest",
        "id": f"s-{id_}",
        "status": "active",
        "intent": "order",
        "subject": subject(id_),
        "code": INFUSION,
        "basedOn": [{"reference": f"MedicationRequest/o-{id_}"}],
    }


def dispense(id_: str = "q-7", amount: int = 300, **more: Any) -> Json:
    return {
        "resourceType": "MedicationDispense",
        "id": f"d-{id_}",
        "status": "completed",
        "subject": subject(id_),
        "medicationCodeableConcept": OCREVUS,
        "quantity": mg(amount),
        "whenHandedOver": "2026-11-30",
        **more,
    }


EHR = [patient(), order(), service(), visit()]
PHARMACY = [patient("q-7"), dispense()]


def ndjson(path: Path, resources: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [each if isinstance(each, bytes) else jsonio.dumps(each) for each in resources]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def one_file(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jsonio.dumps(document))
    return path


def bundle(resources: Iterable[Json]) -> Json:
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": each} for each in resources],
    }


def as_ndjson(folder: Path, resources: list[Json]) -> None:
    ndjson(folder / "export.ndjson", resources)


def as_files_by_type(folder: Path, resources: list[Json]) -> None:
    for type_ in {each["resourceType"] for each in resources}:
        ndjson(folder / f"{type_}.ndjson", (r for r in resources if r["resourceType"] == type_))


def as_gzip(folder: Path, resources: list[Json]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = b"\n".join(map(jsonio.dumps, resources))
    (folder / "export.ndjson.gz").write_bytes(gzip.compress(data))


def as_bundle(folder: Path, resources: list[Json]) -> None:
    one_file(folder / "bundle.json", bundle(resources))


def as_pretty_bundle(folder: Path, resources: list[Json]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = jsonio.dumps(bundle(resources)).replace(b',"', b',\n  "')
    (folder / "bundle.json").write_bytes(b"\xef\xbb\xbf" + text)


def as_single_files(folder: Path, resources: list[Json]) -> None:
    for number, each in enumerate(resources):
        one_file(folder / f"{number}.json", each)


def as_transaction(folder: Path, resources: list[Json]) -> None:
    """As a system posts it: no ids, references by urn:uuid."""
    names = {f"{r['resourceType']}/{r['id']}": f"urn:uuid:{r['id']}" for r in resources}
    entries = []
    for each in resources:
        text = jsonio.dumps({key: value for key, value in each.items() if key != "id"})
        for name, urn in names.items():
            text = text.replace(f'"{name}"'.encode(), f'"{urn}"'.encode())
        full = names[f"{each['resourceType']}/{each['id']}"]
        entries.append({"fullUrl": full, "resource": jsonio.loads(text)})
    one_file(folder / "t.json", {"resourceType": "Bundle", "type": "transaction", "entry": entries})


FORMS: list[Callable[[Path, list[Json]], None]] = [
    as_ndjson,
    as_files_by_type,
    as_gzip,
    as_bundle,
    as_pretty_bundle,
    as_single_files,
    as_transaction,
]
