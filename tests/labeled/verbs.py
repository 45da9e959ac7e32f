"""What happens in a story, as the systems of a `Style` write it down."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .chart import CPT, HCPCS, RXNORM, UCUM, Chart, Json, coded, quantity
from .drugs import Drug
from .payer import POS, Payer

PREMEDS = {
    "methylprednisolone": ("6902", "J2930", "methylprednisolone 100 mg IV"),
    "dexamethasone": ("3264", "J1100", "dexamethasone 20 mg PO"),
    "diphenhydramine": ("3498", "J1200", "diphenhydramine 50 mg IV"),
    "cetirizine": ("20610", "", "cetirizine 10 mg PO"),
}
ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
PLACES = {
    "home": (ROLE, "PTRES", "Patient's home"),
    "hospital": (ROLE, "HOSP", "Hospital outpatient department"),
    "suite": (POS, "49", "Ambulatory infusion suite"),
}


def whole(value: Decimal) -> Any:
    return int(value) if value == value.to_integral_value() else value


def amount(drug: Drug, mg: Any, how: str) -> Json:
    """A quantity of the drug, written so; in mg where it cannot be."""
    mg = Decimal(mg)
    packages = drug.packages(mg)
    if how in ("package", "EA") and packages != packages.to_integral_value():
        how = "mg"
    match how:
        case "g":
            return quantity(whole(mg / 1000), "g", "g", UCUM)
        case "mL":
            return quantity(whole(drug.ml(mg)), "mL", "mL", UCUM)
        case "ML":  # NCPDP
            return quantity(whole(drug.ml(mg)), "ML")
        case "milliliter":
            return quantity(whole(drug.ml(mg)), "milliliter")
        case "package":
            return quantity(whole(packages), drug.package, f"{{{drug.package}}}", UCUM)
        case "EA":
            return quantity(whole(packages), "EA")
        case "mg-bare-code":
            return quantity(whole(mg), code="mg")
        case "misspelt":
            return quantity(whole(mg), "MG")
        case _:
            return quantity(whole(mg), "mg", "mg", UCUM)


class Verbs(Payer, Chart):
    """A chart on which a story can be written."""

    # --- ordered

    def order(
        self,
        name: str = "order",
        *,
        on: int = 7,
        mg: Any = None,
        visits: int | None = None,
        status: str = "active",
        product: Json | None = None,
        drug: Drug | None = None,
        text: str | None = None,
        written: int | None = None,
        valid: tuple[int, int] | None = (-30, 60),
        dispenser: bool = True,
        spacing: int | None = None,
        **more: Any,
    ) -> None:
        drug = drug or self.drug
        style, mg, visits = self.style, mg or drug.mg, visits or drug.visits
        spacing = spacing or drug.spacing
        # After the dose before: a plan of visits that was written earlier would ask for that too.
        written = max(-30, on - drug.interval + 10) if written is None else written
        parts = [(name, visits, on)]
        if visits > 1 and style.course == "orders":
            parts = [(f"{name}{n or ''}", 1, on + n * spacing) for n in range(visits)]
        for part, count, first in parts:
            request: Json = {}
            if valid and style.house == "cerner":
                request["validityPeriod"] = {"start": str(self.day(valid[0]))}
            elif valid:
                start, end = (str(self.day(n)) for n in valid)
                request["validityPeriod"] = {"start": start, "end": end}
            if dispenser:
                request["performer"] = {"display": "Lakeside Specialty Pharmacy"}
            if style.house == "us-core":
                request["quantity"] = amount(drug, mg * count, "mg")
                request["numberOfRepeatsAllowed"] = 0
            self.add(
                "MedicationRequest",
                part,
                identifier=self.placed(part),
                groupIdentifier=more.pop("groupIdentifier", self.requisition()),
                status=status,
                intent=more.pop("intent", "order"),
                authoredOn=self.moment(written, 10),
                requester={"display": "Dr. Example"},
                dosageInstruction=self._dosages(drug, mg, count, first, spacing, text),
                dispenseRequest=request or None,
                **(product or self.product(style.product, drug)),
                **more,
            )

    def _dosages(
        self, drug: Drug, mg: Any, visits: int, on: int, spacing: int, text: str | None
    ) -> list[Json]:
        style = self.style
        how = style.dose
        if (
            how in ("mL", "package")
            and drug.coded
            and style.product in ("text", "hcpcs", "hcpcs-https")
        ):
            how = "mg"
        if how == "package" and drug.coded and style.product == "reference":
            how = "mL"  # its Medication says the strength, and not what a package holds
        route = {"text": {"IV": "Intravenous", "SC": "Subcutaneous"}[drug.route]}

        def row(days: list[int], count: int) -> Json:
            found: Json = {"route": route}
            if how == "text":
                found["text"] = text or f"{mg} mg {drug.route}"
            else:
                if text:
                    found["text"] = text
                if how == "range":
                    same = amount(drug, mg, "mg")
                    found["doseAndRate"] = [{"doseRange": {"low": same, "high": same}}]
                else:
                    found["doseAndRate"] = [{"doseQuantity": amount(drug, mg, how)}]
            repeat: Json = {}
            if count > 1:
                repeat |= {"count": count, "frequency": 1, "period": spacing, "periodUnit": "d"}
            elif style.house != "epic":
                repeat["count"] = 1
            timing: Json = {}
            if style.when == "event" or style.course == "events":
                timing["event"] = [str(self.day(n)) for n in days]
            elif style.when == "bounds" or (count > 1 and style.when != "service"):
                repeat["boundsPeriod"] = {
                    "start": str(self.day(days[0])),
                    "end": str(self.day(days[-1])),
                }
            if repeat:
                timing["repeat"] = repeat
            return {**found, "timing": timing} if timing else found

        days = [on + n * spacing for n in range(visits)]
        if visits > 1 and style.course == "dosages":
            return [{**row([day], 1), "sequence": n + 1} for n, day in enumerate(days)]
        return [row(days, visits)]

    def premedicate(
        self, classes: tuple[str, ...] | None = None, on: int = 7, visits: int | None = None
    ) -> None:
        """Orders for what is given before, as this house writes them."""
        drugs = self.drug.premeds if classes is None else classes
        days = [on + n * self.drug.spacing for n in range(visits or self.drug.visits)]
        how = self.style.premeds
        if not drugs:
            return
        names = " and ".join(PREMEDS[each][2] for each in drugs)
        main = self.made.get("order")
        if main is not None and how == "text":
            for order in self.orders():
                for row in order["dosageInstruction"]:
                    row["patientInstruction"] = f"Premedicate 30 minutes before with {names}."
            return
        if main is not None and how == "note":
            for order in self.orders():
                words = {"text": f"Give {names} 30 minutes before the infusion."}
                order["note"] = [*order.get("note", []), words]
            return
        for n, each in enumerate(drugs if how != "set" else (names,)):
            rxnorm, hcpcs, text = PREMEDS.get(each, ("", "", f"Infusion premedication: {each}"))
            code = coded(RXNORM, rxnorm, text)
            if how == "hcpcs" and hcpcs:
                code = coded(HCPCS, hcpcs, text)
            if not rxnorm or how == "set":
                code = {"text": text}
            what: Json = {"medicationCodeableConcept": code}
            if how == "contained":
                body = {"resourceType": "Medication", "id": "med", "code": code}
                what = {"contained": [body], "medicationReference": {"reference": "#med"}}
            standing = how == "standing"
            dosage: Json = {"text": "30 minutes before each infusion"}
            if not standing:
                dosage["timing"] = {"event": [str(self.day(n)) for n in days]}
            self.add(
                "MedicationRequest",
                f"premed{n}",
                groupIdentifier=self.requisition() if how == "group" else None,
                status="active",
                intent="order",
                authoredOn=self.moment(-200 if standing else -30, 10),
                dosageInstruction=[dosage],
                **what,
            )

    def orders(self) -> list[Json]:
        """The orders for the drug itself."""
        return [r for name, r in self.made.items() if name.rstrip("0123456789") == "order"]

    # --- scheduled

    def visit(
        self,
        name: str = "visit",
        *,
        on: int = 7,
        minutes: int | None = None,
        status: str = "booked",
        site: str | None = None,
        order: str | None = "order",
        hour: int = 9,
        service: bool = True,
        **more: Any,
    ) -> None:
        style, drug = self.style, self.drug
        how = style.visit
        if style.link == "attributes" or style.house == "cerner":
            how = how if how in ("words", "reason", "description", "code") else "words"
        minutes = minutes or drug.minutes
        asker = self.source("Appointment")
        words: Json = {"serviceType": [{"text": "Infusion"}]}
        wanted = order if order in self.made else None
        if wanted and how in ("basedOn",) and service:
            self._service(f"service-{name}", on, wanted)
            words["basedOn"] = self.refers(f"service-{name}", asker)
        elif wanted and how == "supporting":
            words["supportingInformation"] = self.refers(wanted, asker)
        elif wanted and how == "alternate":
            url = "http://hl7.org/fhir/StructureDefinition/alternate-reference"
            found = self.refer(wanted, asker)
            if found:
                words["basedOn"] = [{"extension": [{"url": url, "valueReference": found}]}]
        elif how == "reason":
            words = {"reasonCode": [{"text": f"{drug.words} infusion"}]}
        elif how == "description":
            words = {"description": "IV infusion visit, infusion center"}
        elif how == "code":
            words = {
                "serviceType": [coded(CPT, drug.service if drug.service != "96401" else "96413")]
            }
        if style.when == "service" and wanted and "service" not in self.made and how != "basedOn":
            self._service("service", on, wanted)
        participant: list[Json] = []
        if site:
            place = self.place(site, self.source("Appointment"))
            participant = [{"actor": place, "status": "accepted"}]
        self.add(
            "Appointment",
            name,
            status=status,
            start=self.moment(on, hour),
            end=self.later(on, minutes) if hour == 9 else self.moment(on, hour + 3),
            participant=participant,
            **words,
            **more,
        )

    def place(self, site: str, source: str) -> Json:
        """A reference to a Location beside the person's records."""
        system, code, text = PLACES[site]
        id_ = f"{site}-{self.number}"
        if not any(each["id"] == id_ for each in self.sources[source]):
            body = {
                "resourceType": "Location",
                "id": id_,
                "name": text,
                "type": [coded(system, code, text)],
            }
            self.sources[source].append(body)
        found = f"Location/{id_}"
        if self.style.link == "absolute":
            found = f"https://{source}.example/fhir/{found}"
        return {"reference": found, "display": text}

    def _service(self, name: str, on: int, order: str) -> None:
        source = self.source("ServiceRequest")
        self.add(
            "ServiceRequest",
            name,
            identifier=self.placed(name),
            requisition=self.requisition(),
            status="active",
            intent="order",
            code=coded(CPT, self.drug.service, "Infusion"),
            basedOn=self.refers(order, source),
            occurrenceDateTime=str(self.day(on)),
            authoredOn=self.moment(-30, 10),
        )

    # --- dispensed and given

    def dispense(
        self,
        name: str = "dispense",
        *,
        mg: Any = None,
        on: int = -1,
        status: str = "completed",
        order: str = "order",
        drug: Drug | None = None,
        how: str | None = None,
        product: Json | None = None,
        **more: Any,
    ) -> Json:
        drug = drug or self.drug
        source = more.get("source") or self.source("MedicationDispense")
        mg = drug.mg * drug.visits if mg is None else mg
        parts = [name for name in self.made if name == order or name.removeprefix(order).isdigit()]
        prescriptions = [each for part in parts if (each := self.refer(part, source))]
        found = prescriptions[0] if prescriptions else None
        contained: Json = product or self.product("ndc11", drug)
        if found and self.style.link == "contained" and "identifier" in found:
            rx: Json = {
                "resourceType": "MedicationRequest",
                "id": "rx",
                "identifier": [found["identifier"]],
            }
            rx |= {"status": "active", "intent": "order", "subject": self.person(source)}
            rx |= self.product("text", drug)
            contained = {**contained, "contained": [*contained.get("contained", []), rx]}
            prescriptions = [{"reference": "#rx"}, *prescriptions[1:]]
        when = "whenHandedOver" if status == "completed" else "whenPrepared"
        body = self.add(
            "MedicationDispense",
            name,
            status=status,
            identifier=[{"system": "http://pharmacy.example/rx", "value": f"{name}-{self.number}"}],
            authorizingPrescription=prescriptions or None,
            quantity=amount(drug, mg, how or self.style.supplied),
            **{when: more.pop("when", self.moment(on, 14))},
            **contained,
            **more,
        )
        if self.style.estate == "mirrored":
            self._mirror(body)
        return body

    def _mirror(self, body: Json) -> None:
        """The hospital's copy of what the pharmacy's system sent it."""
        copy = {**body, "id": f"copy-{body['id']}", "subject": self.person("ehr")}
        copy.pop("authorizingPrescription", None)
        copy.pop("contained", None)
        self.sources["ehr"].append(copy)

    def give(
        self,
        name: str,
        on: int,
        *,
        mg: Any = None,
        status: str = "completed",
        order: str = "",
        **more: Any,
    ) -> None:
        source = self.source("MedicationAdministration")
        self.add(
            "MedicationAdministration",
            name,
            status=status,
            effectivePeriod={"start": self.moment(on, 10), "end": self.moment(on, 13)},
            dosage={"dose": amount(self.drug, mg or self.drug.mg, "mg")},
            request=self.refer(order, source) if order else None,
            **{**self.product("text"), **more},
        )

    def history(self, on: int = 7) -> None:
        """The course before this one, when it was due."""
        first = on - self.drug.interval
        for n in range(self.drug.visits):
            self.give(f"before{n}", first + n * self.drug.spacing)
