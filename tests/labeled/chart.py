"""One person's records on the servers of an estate: ids, days, references, and who holds what."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .drugs import Drug
from .style import ESTATES, Style

Json = dict[str, Any]
ZONE = ZoneInfo("America/New_York")
MRN = "http://hospital.example/mrn"
ORDERS = "http://hospital.example/orders"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC = "http://hl7.org/fhir/sid/ndc"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
UCUM = "http://unitsofmeasure.org"
PLACER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PLAC"}]}

KIND = {
    "Appointment": "schedule",
    "Claim": "authorizations",
    "ClaimResponse": "authorizations",
    "CoverageEligibilityResponse": "authorizations",
    "Coverage": "authorizations",
    "MedicationAdministration": "administrations",
    "MedicationDispense": "dispenses",
}


def coded(system: str, code: str, text: str = "") -> Json:
    found: Json = {"coding": [{"system": system, "code": code}]}
    return {**found, "text": text} if text else found


def quantity(value: Any, unit: str = "", code: str = "", system: str = "") -> Json:
    found = {"value": value, "unit": unit, "system": system, "code": code}
    return {key: each for key, each in found.items() if each != ""}


class Chart:
    """`number` makes all ids of one person differ from everybody else's."""

    def __init__(self, number: int, today: date, drug: Drug, style: Style) -> None:
        self.number, self.today, self.drug, self.style = number, today, drug, style
        self.sources: dict[str, list[Json]] = defaultdict(list)
        self.made: dict[str, Json] = {}  # name in the story -> resource
        self.patient: Json = {}  # more elements of each Patient

    # --- days

    def day(self, n: int) -> date:
        return self.today + timedelta(days=n)

    def moment(self, n: int, hour: int = 9, minute: int = 0) -> str:
        local = datetime.combine(self.day(n), time(hour, minute), ZONE)
        if self.style.zone == "utc":
            return local.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return local.isoformat()

    def later(self, n: int, minutes: int) -> str:
        """The end of what begins at nine and takes so long."""
        return self.moment(n, 9 + minutes // 60, minutes % 60)

    # --- records

    def id(self, name: str) -> str:
        return f"{name}-{self.number}"

    def source(self, type_: str) -> str:
        estate = self.style.estate
        return ESTATES[estate].get(KIND.get(type_, "orders"), "all" if estate == "one" else "ehr")

    def add(self, type_: str, name: str, **elements: Any) -> Json:
        """A record of the person; elements that are None are left out."""
        who = "beneficiary" if type_ == "Coverage" else "subject"
        who = (
            "patient" if type_ in ("Claim", "ClaimResponse", "CoverageEligibilityResponse") else who
        )
        source = elements.pop("source", None) or self.source(type_)
        body: Json = {"resourceType": type_, "id": self.id(name)}
        if type_ == "Appointment":
            elements["participant"] = [
                {"actor": self.person(source), "status": "accepted"},
                *elements.get("participant", []),
            ]
        elif type_ != "Medication":
            body[who] = self.person(source)
        body |= {key: each for key, each in elements.items() if each is not None}
        self.sources[source].append(body)
        self.made[name] = body
        return body

    def person(self, source: str) -> Json:
        """A reference to the person on a server."""
        self.sources.setdefault(source, [])
        name = f"Patient/{source[0]}{self.number}"
        found: Json = {"type": "Patient"}
        if self.style.subject != "reference":
            found["identifier"] = {"system": MRN, "value": f"M{self.number}"}
        if self.style.subject != "identifier" and self.style.link == "absolute":
            found["reference"] = f"https://{source}.example/fhir/{name}"
        elif self.style.subject != "identifier":
            found["reference"] = name
        return found

    def patients(self) -> None:
        """The person on every server that has a record; called last."""
        for source, records in self.sources.items():
            patient = {
                "resourceType": "Patient",
                "id": f"{source[0]}{self.number}",
                "identifier": [{"system": MRN, "value": f"M{self.number}"}],
                "birthDate": str(date(1950 + self.number % 40, 1 + self.number % 9, 10)),
                **self.patient,
            }
            records.insert(0, patient)

    # --- references

    def where(self, record: Json) -> str:
        return next(name for name, records in self.sources.items() if record in records)

    def refer(self, name: str, asker: str) -> Json | None:
        """A reference from a record on server `asker` to the record called so, in this style."""
        record = self.made.get(name)
        if record is None or self.style.link == "attributes":
            return None
        relative = f"{record['resourceType']}/{record['id']}"
        home = self.where(record)
        if self.style.link == "absolute":
            return {"reference": f"https://{home}.example/fhir/{relative}"}
        if home != asker or self.style.link in ("logical", "numbers"):
            numbers = record.get("identifier")
            return {"type": record["resourceType"], "identifier": numbers[0]} if numbers else None
        if self.style.link == "versioned":
            return {"reference": f"{relative}/_history/3", "display": "See the order"}
        return {"reference": relative}

    def refers(self, name: str, asker: str) -> list[Json] | None:
        found = self.refer(name, asker)
        return [found] if found else None

    def placed(self, name: str) -> list[Json] | None:
        """The number that the ordering system gave; none where only attributes tell."""
        if self.style.link == "attributes":
            return None
        return [{"type": PLACER, "system": ORDERS, "value": f"{name}-{self.number}"}]

    def requisition(self) -> Json | None:
        if self.style.link == "attributes" and self.style.premeds != "group":
            return None
        return {"system": "http://hospital.example/requisitions", "value": f"R{self.number}"}

    # --- drugs

    def product(self, how: str, drug: Drug | None = None) -> Json:
        """medication[x] of a record, with what it contains."""
        drug = drug or self.drug
        names: dict[str, Json] = {
            "rxnorm": coded(RXNORM, drug.rxnorm, drug.words),
            "ndc10": coded(NDC, drug.ndc[0], drug.words),
            "ndc11": coded(NDC, drug.ndc[1], drug.words),
            "ndc11plain": coded(NDC, drug.ndc[2]),
            "hcpcs": coded(HCPCS, drug.hcpcs, drug.words),
            "hcpcs-https": coded(HCPCS.replace("http:", "https:"), drug.hcpcs, drug.words),
            "text": {"text": f"{drug.words} {drug.mg} mg {drug.route}"},
        }
        if how in ("rxnorm", "both") and not drug.rxnorm:
            how = "ndc10"
        if how.startswith("hcpcs") and not drug.hcpcs:
            how = "text"
        if how == "both":
            two = [*names["rxnorm"]["coding"], *names["ndc11"]["coding"]]
            return {"medicationCodeableConcept": {"coding": two, "text": drug.words}}
        if how in names:
            return {"medicationCodeableConcept": names[how]}
        strength = {"numerator": quantity(drug.package_mg, "mg", "mg", UCUM)}
        strength["denominator"] = quantity(drug.ml(drug.package_mg), "mL", "mL", UCUM)
        code = names["ndc11"] if how == "contained" else names["text"]
        body = {
            "resourceType": "Medication",
            "code": code,
            "ingredient": [{"itemCodeableConcept": {"text": drug.words}, "strength": strength}],
        }
        if how == "contained":
            return {
                "contained": [{**body, "id": "med"}],
                "medicationReference": {"reference": "#med"},
            }
        name = f"drug{len(self.made)}"
        source = "all" if self.style.estate == "one" else "ehr"
        made = self.add(
            "Medication",
            name,
            source=source,
            **{k: v for k, v in body.items() if k != "resourceType"},
        )
        found = f"Medication/{made['id']}"
        if self.style.link == "absolute":
            found = f"https://{source}.example/fhir/{found}"
        return {"medicationReference": {"reference": found}}
