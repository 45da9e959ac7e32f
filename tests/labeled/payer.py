"""What a payer answers, in the forms of a `Style`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .chart import CPT, HCPCS, UCUM, Chart, Json, coded, quantity

if TYPE_CHECKING:
    from .drugs import Drug

PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-"
X12 = "https://codesystem.x12.org/005010/306"
POS = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
TEMP = "http://hl7.org/fhir/us/davinci-crd/CodeSystem/temp"
CRD = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information"


def review(code: str, number: str, nested: bool) -> list[Json]:
    url = f"{PAS}reviewActionCode" if nested else "code"
    parts: list[Json] = [{"url": url, "valueCodeableConcept": coded(X12, code)}]
    if number:
        parts.append({"url": "number", "valueString": number})
    submitted = coded("http://terminology.hl7.org/CodeSystem/adjudication", "submitted")
    return [
        {"category": submitted, "extension": [{"url": f"{PAS}reviewAction", "extension": parts}]}
    ]


def detail(product: Json, value: Json | None) -> Json:
    parts: list[Json] = [{"url": "productOrServiceCode", "valueCodeableConcept": product}]
    if value:
        parts.append({"url": "quantity", "valueQuantity": value})
    return {"url": f"{PAS}itemAuthorizedDetail", "extension": parts}


def period(start: str, end: str) -> Json:
    return {"url": f"{PAS}itemPreAuthPeriod", "valuePeriod": {"start": start, "end": end}}


class Payer(Chart):
    """Authorizations, requirements and coverage."""

    def units(self, drug: Drug, mg: Any) -> Json:
        """A drug's quantity as it is billed in this style."""
        value: Any = drug.units(Decimal(mg))
        value = int(value) if value == value.to_integral_value() else value
        match self.style.billed:
            case "UN":
                return quantity(value, "UN")
            case "units":
                return quantity(value, "units")
            case "annotated":
                return quantity(value, "units", "{unit}", UCUM)
            case "mg":
                return quantity(int(mg), "mg", "mg", UCUM)
            case _:
                return quantity(value)

    def approve(
        self,
        name: str = "auth",
        *,
        mg: Any = None,
        visits: int | None = None,
        days: tuple[int, int] = (-20, 160),
        code: str | None = None,
        each: list[tuple[int, Any]] | None = None,
        issued: int = -15,
        drug: bool = True,
        admin: bool = True,
        service: str | None = None,
        pos: str | None = None,
        insurer: str = "Good Plan",
        form: str | None = None,
        order: str = "order",
        **more: Any,
    ) -> None:
        """The drug (total `mg`, or `each` visit's (day, mg)) and its administration are granted."""
        form = form or self.style.granted
        med, visits = self.drug, visits or self.drug.visits
        mg = med.mg * visits if mg is None else mg
        span = str(self.day(days[0])), str(self.day(days[1]))
        product = coded(HCPCS, code or med.hcpcs)
        act = coded(CPT, service or med.service)
        wanted: list[tuple[Json, Json | None, str | None]] = []
        if drug and each:
            wanted += [(product, self.units(med, n), str(self.day(day))) for day, n in each]
        elif drug:
            wanted.append((product, self.units(med, mg), None))
        if admin:
            wanted.append((act, self._times(visits), None))
        if form == "crd" and (each or code or pos or more or insurer != "Good Plan"):
            form = "pas22"
        if form == "crd":
            self._by_crd(name, wanted, span, order)
        else:
            self._by_claim(name, wanted, span, form, issued, pos, insurer, order, more)

    def covered(self) -> Json:
        return {"reference": f"Coverage/{self.id('cover')}"}

    def _times(self, visits: int) -> Json:
        return quantity(visits) if self.style.billed == "bare" else quantity(visits, "visits")

    def _by_claim(
        self, name: str, wanted: list[Any], span: tuple[str, str], form: str, issued: int,
        pos: str | None, insurer: str, order: str, more: Json,
    ) -> None:  # fmt: skip
        claim, answer, added = [], [], []
        number = f"AUTH-{name}-{self.number}"
        nested = form in ("pas20", "detail")
        request = self.refer(order, self.source("Claim"))
        for n, (product, value, day) in enumerate(wanted, 1):
            asked = value
            if form in ("added", "added-a2", "detail") and value:
                asked = {**value, "value": value["value"] * 2}
            item: Json = {"sequence": n, "productOrService": product, "quantity": asked}
            if day:
                item["servicedDate"] = day
            if pos:
                item["locationCodeableConcept"] = coded(POS, pos)
            if request and self.style.link != "numbers":
                item["extension"] = [{"url": f"{PAS}requestedService", "valueReference": request}]
            claim.append(item)
            code = {
                "added": "A6",
                "added-a2": "A2",
                "detail": "A6",
                "denied-added": "A3",
                "extra": "A3",
            }
            row: Json = {"itemSequence": n, "extension": [period(*span)]}
            if form == "plain":
                row["adjudication"] = [{"category": {"text": "submitted"}}]
                row.pop("extension")
            else:
                row["adjudication"] = review(code.get(form, "A1"), number, nested)
            if form in ("pas20", "detail"):
                row["extension"].append(detail(product, value))
            if form in ("added", "added-a2"):
                row["extension"].append(detail(product, asked))
            answer.append(row)
            if form in ("added", "added-a2", "denied-added", "extra"):
                extra: Json = {"productOrService": product, "quantity": value}
                extra["extension"] = [period(*span)]
                extra["adjudication"] = review("A1", number, nested)
                if form != "extra":
                    extra["itemSequence"] = [n]
                if day:
                    extra["servicedDate"] = day
                if pos:
                    extra["locationCodeableConcept"] = coded(POS, pos)
                added.append(extra)
        if form == "plain":
            more["disposition"] = "Approved"
        self.claim(
            name, claim, answer, added, issued, insurer=insurer, number=number, span=span, **more
        )

    def claim(
        self, name: str, asked: list[Json], items: list[Json], added: Sequence[Json] = (),
        issued: int = -15, *, insurer: str = "Good Plan", number: str = "",
        span: tuple[str, str] | None = None,
        priority: str = "normal", created: int = -18, **more: Any,
    ) -> None:  # fmt: skip
        plan = {
            "identifier": {"system": "http://naic.example", "value": insurer},
            "display": insurer,
        }
        self.add(
            "Claim", f"claim-{name}", status="active", use="preauthorization",
            identifier=[{"system": "http://payer.example/claims", "value": self.id(name)}],
            created=str(self.day(created)), priority={"coding": [{"code": priority}]},
            type=coded("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
            insurer=plan, item=asked,
            insurance=[{"sequence": 1, "focal": True, "coverage": self.covered()}],
        )  # fmt: skip
        refer = {"reference": f"Claim/{self.id(f'claim-{name}')}"}
        if self.style.link == "absolute":
            refer = {
                "reference": f"https://{self.source('Claim')}.example/fhir/{refer['reference']}"
            }
        self.add(
            "ClaimResponse", f"answer-{name}", status="active", use="preauthorization",
            created=self.moment(issued, 11), outcome=more.pop("outcome", "complete"), insurer=plan,
            type=coded("http://terminology.hl7.org/CodeSystem/claim-type", "professional"),
            request=refer, preAuthRef=number or None,
            preAuthPeriod={"start": span[0], "end": span[1]} if span else None,
            item=items or None, addItem=list(added) or None, **more,
        )  # fmt: skip
        if self.style.link in ("numbers", "logical") and number and "order" in self.made:
            answer = {"type": "ClaimResponse", "identifier": {"value": number}}
            self.made["order"].setdefault("insurance", [answer])

    def decide(
        self, name: str, code: str, *, drug: bool = True, admin: bool = True, number: str = "",
        priority: str = "normal", order: str = "order", **more: Any,
    ) -> None:  # fmt: skip
        """Every item gets this decision and nothing else."""
        med = self.drug
        nested = self.style.granted in ("pas20", "detail")
        request = self.refer(order, self.source("Claim"))
        rows: list[tuple[Json, Json]] = []
        if drug:
            rows.append((coded(HCPCS, med.hcpcs), self.units(med, med.mg * med.visits)))
        if admin:
            rows.append((coded(CPT, med.service), self._times(med.visits)))
        extension = {"url": f"{PAS}requestedService", "valueReference": request}
        own = {"extension": [extension]} if request else {}
        asked = [
            {"sequence": n, "productOrService": product, "quantity": value, **own}
            for n, (product, value) in enumerate(rows, 1)
        ]
        items = [
            {"itemSequence": n, "adjudication": review(code, number, nested)}
            for n in range(1, len(rows) + 1)
        ]
        self.claim(name, asked, items, priority=priority, number=number, **more)

    def _by_crd(self, name: str, wanted: list[Any], span: tuple[str, str], order: str) -> None:
        for product, value, _ in wanted:
            rows: list[Json] = [
                {
                    "url": "coverage",
                    "valueReference": self.covered(),
                },
                {"url": "covered", "valueCode": "covered"},
                {"url": "pa-needed", "valueCode": "satisfied"},
                {"url": "billingCode", "valueCoding": product["coding"][0]},
                {"url": "satisfied-pa-id", "valueString": f"AUTH-{name}-{self.number}"},
                {"url": "date", "valueDate": str(self.day(-15))},
                {"url": "coverage-assertion-id", "valueString": f"A-{name}-{self.number}"},
            ]
            for code, key, found in (
                ("allowed-quantity", "valueQuantity", value),
                ("allowed-period", "valuePeriod", {"start": span[0], "end": span[1]}),
            ):
                parts = [
                    {"url": "category", "valueCode": "cat-limitation"},
                    {"url": "code", "valueCodeableConcept": coded(TEMP, code)},
                    {"url": "value", key: found},
                ]
                rows.append({"url": "detail", "extension": parts})
            target = self.made.get(order)
            if target is None:
                raise AssertionError("an order comes first")
            target.setdefault("extension", []).append({"url": CRD, "extension": rows})

    def require(
        self, code: str = "", name: str = "needs", required: bool = True, **more: Any
    ) -> None:
        system = CPT if (code or self.drug.hcpcs)[0].isdigit() else HCPCS
        item = {
            "productOrService": coded(system, code or self.drug.hcpcs),
            "authorizationRequired": required,
        }
        self.add(
            "CoverageEligibilityResponse", name, status="active", purpose=["auth-requirements"],
            created=str(self.day(-20)), outcome="complete", insurer={"display": "Good Plan"},
            request={"display": "asked by portal"},
            insurance=[{"coverage": self.covered(), "inforce": True, "item": [{**item, **more}]}],
        )  # fmt: skip

    def cover(self, name: str = "cover", *, payor: str = "Good Plan", status: str = "active",
              days: tuple[int, int | None] = (-300, None), **more: Any) -> None:  # fmt: skip
        span = {"start": str(self.day(days[0]))}
        if days[1] is not None:
            span["end"] = str(self.day(days[1]))
        plan = {"identifier": {"system": "http://naic.example", "value": payor}, "display": payor}
        self.add(
            "Coverage", name, status=status, subscriberId=f"S{self.number}", period=span,
            payor=[plan], **more,
        )  # fmt: skip
