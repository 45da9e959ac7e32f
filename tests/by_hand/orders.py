"""Charts of orders: their states, their doses, their drug as systems export it."""

from __future__ import annotations

from typing import Any

from .charts import EHR, chart
from .records import (
    NDC,
    OCRELIZUMAB,
    OCREVUS_VIAL,
    ORDER,
    RXNORM,
    Json,
    answer,
    claim,
    concept,
    coverage,
    dispense,
    given,
    order,
    premedication,
    quantity,
    visit,
)

# Orders
chart(
    "on hold until something is clear",
    "order-not-active",
    ehr=[coverage(), order(status="on-hold"), *EHR[2:]],
)
chart(
    "to be filled until November",
    "order-not-active",
    ehr=[
        coverage(),
        order(dispenseRequest={"validityPeriod": {"end": "2026-11-30"}}),
        *EHR[2:],
    ],
)
chart(
    "ordered twice",
    "duplicate-order",
    ehr=[*EHR, order("o2", authoredOn="2026-10-20")],
    may="link-ambiguous",
)
chart(
    "renewed",
    ehr=[
        coverage(),
        order(status="completed"),
        order("o2", authoredOn="2026-10-20", priorPrescription={"reference": ORDER}),
        *premedication(),
        visit(supportingInformation=[{"reference": "MedicationRequest/o2"}]),
    ],
    pharmacy=[dispense(of="MedicationRequest/o2")],
    may="order-changed-after-auth",
)
chart("planned, then ordered", ehr=[*EHR, order("plan", intent="plan")])
chart(
    "filled by an order of the pharmacy",
    ehr=[*EHR, order("f", intent="filler-order", basedOn=[{"reference": ORDER}])],
)
chart(
    "half a dose in maintenance",
    "dose-outside-label",
    ehr=[coverage(), order(dose=quantity(300)), *EHR[2:]],
    payer=[claim(("J2350", 300, "UN"), ("96413", 1, "")), answer()],
    pharmacy=[dispense(quantity(10, "mL"))],
)
for words, must in (
    ("600 mg IV once every 24 weeks", ""),
    ("600 mg IV once on 12/8/2026", ""),
    ("Ocrevus 600 mg IV, 8 Dec 2026 at 9:00 am", ""),
    ("300 mg IV once on 12/8/2026", "dose-outside-label"),
    ("300 mg x 2", "single-vs-split-unclear"),
):
    chart(
        f"a dose in words: {words}",
        must,
        ehr=[coverage(), order(dosageInstruction=[{"text": words}]), *EHR[2:]],
        may="dose-outside-label appt-count-mismatch auth-per-visit-mismatch dispense-over"
        if must
        else "",
    )
for amount in (quantity(20, "mL"), quantity(2, "vial", "{vial}"), quantity(0.6, "g")):
    chart(
        f"a dose of {amount['value']} {amount['unit']}",
        ehr=[coverage(), order(dose=amount, medicationCodeableConcept=OCREVUS_VIAL), *EHR[2:]],
    )
STRONG = {
    "resourceType": "Medication",
    "id": "m",
    "code": {"text": "ocrelizumab"},
    "ingredient": [
        {
            "itemCodeableConcept": {"text": "ocrelizumab"},
            "strength": {"numerator": quantity(300), "denominator": quantity(10, "mL")},
        }
    ],
}
chart(
    "a medication inside the order, with its strength",
    ehr=[
        coverage(),
        order(
            dose=quantity(20, "mL"),
            medicationCodeableConcept=None,
            medicationReference={"reference": "#m"},
            contained=[STRONG],
        ),
        *EHR[2:],
    ],
)

# Epic and Cerner export an order by its ingredient alone: neither product nor route.
INGREDIENT = concept("1876366", RXNORM)
ZUNOVO = concept("50242-554-01", NDC)


def routed(dose: int, snomed: str) -> Json:
    """An order for the ingredient, with a coded route that nobody displays."""
    route = concept(snomed, "http://snomed.info/sct")
    return order(
        medicationCodeableConcept=INGREDIENT,
        dosageInstruction=[
            {
                "timing": {"event": ["2026-12-08"]},
                "route": route,
                "doseAndRate": [{"doseQuantity": quantity(dose)}],
            }
        ],
    )


for name, its_order, past in (
    ("by its ingredient", order(medicationCodeableConcept=INGREDIENT), OCRELIZUMAB),
    ("and given by its ingredient", order(medicationCodeableConcept=INGREDIENT), INGREDIENT),
    ("by its ingredient and route", routed(600, "47625008"), OCRELIZUMAB),
    (
        "by its ingredient, dosed in words",
        order(medicationCodeableConcept=INGREDIENT, dosageInstruction=[{"text": "600 mg once"}]),
        OCRELIZUMAB,
    ),
):
    chart(
        f"ordered {name}",
        ehr=[coverage(), its_order, *premedication(), visit()],
        history=[given("2026-06-16", drug=past), given("2025-12-16", drug=past)],
    )
chart(
    "half a dose ordered by its ingredient",
    "dose-outside-label",
    ehr=[
        coverage(),
        order(dose=quantity(300), medicationCodeableConcept=INGREDIENT),
        *premedication(),
        visit(),
    ],
    payer=[claim(("J2350", 300, "UN"), ("96413", 1, "")), answer()],
    pharmacy=[dispense(quantity(10, "mL"))],
)
for name, its_order in (
    ("the dose", order(dose=quantity(920), medicationCodeableConcept=INGREDIENT)),
    ("the route", routed(920, "34206005")),
    (
        "the other records",
        order(medicationCodeableConcept=INGREDIENT, dosageInstruction=[{"text": "as directed"}]),
    ),
):
    chart(
        f"the injection by its ingredient, told by {name}",
        "unit-ambiguous" if "records" in name else "",  # no dose at all
        ehr=[coverage(), its_order, *premedication(), visit()],
        payer=[claim(("J2351", 920, "UN"), ("96401", 1, "")), answer()],
        pharmacy=[dispense(quantity(23, "mL"), medicationCodeableConcept=ZUNOVO)],
        history=[given("2026-06-16", quantity(920), ZUNOVO)],
    )
chart(
    "the injection by its ingredient, the infusion authorized",
    "auth-wrong-product",
    ehr=[
        coverage(),
        order(dose=quantity(920), medicationCodeableConcept=INGREDIENT),
        *premedication(),
        visit(),
    ],
    pharmacy=[dispense(quantity(23, "mL"), medicationCodeableConcept=ZUNOVO)],
    history=[given("2026-06-16", quantity(920), ZUNOVO)],
    may="auth-missing-admin",
)


def dosed(**dosage: Any) -> Json:
    """An order for 600 mg, with this besides."""
    figures = {
        "timing": {"event": ["2026-12-08"]},
        "doseAndRate": [{"doseQuantity": quantity(600)}],
    }
    return order(dosageInstruction=[{**figures, **dosage}])


# The words of an order against its figures
for words, must in (
    ("300 mg IV once", "unit-ambiguous"),
    ("Ocrevus 300 mg IV once", "unit-ambiguous"),
    ("60 mg IV once", "unit-ambiguous"),
    ("1 vial IV once", "unit-ambiguous"),
    ("300 mg on day 1 and 15", "single-vs-split-unclear"),
    ("Infuse over 3.5 h, 250 mL NS", ""),
    ("250 mL over 3.5 hours", ""),
    ("600 mg (2 x 300 mg vials)", ""),
    ("600mg = 2 vials", ""),
    ("20 mL IV over 3.5 hours", ""),
    ("Infuse at 40 mL/hr, increase by 40 mL/hr every 30 min to max 200 mL/hr", ""),
    ("Ocrevus 300 mg vial", ""),
    ("Ocrevus 300 mg", ""),
    ("300 mg/10 mL", ""),
    ("300 mg vials, 2", ""),
    ("Previously 300 mg x2, now 600 mg", ""),
    ("0.6 g IV", ""),
):
    chart(
        f"600 mg in figures, in words: {words}",
        must,
        ehr=[coverage(), dosed(text=words), *EHR[2:]],
    )

# Sigs as prescribers and systems write them
for words, must in (
    ("600 mg intravenously once every 6 months", ""),
    ("Ocrevus 600mg IV every 24 weeks x 1 year", ""),
    ("600 mg IV infusion over at least 3.5 hours", ""),
    ("600 mg IV once, infuse per titration protocol", ""),
    ("ocrelizumab (OCREVUS) 600 mg in sodium chloride 0.9 % 500 mL IVPB", ""),
    ("600 mg, intravenous, ONCE, Starting on Tue 12/8/26 at 0900, For 1 dose", ""),
    ("600 mg, Intravenous, Administer over 3.5 Hours, Every 6 months", ""),
    ("600 mg once q 6 months, refills 1", ""),
    ("Inject 600mg into the vein every 6 months", ""),
    ("Infuse 600 mg intravenously every 6 months as directed", ""),
    ("600 MG IV Q24W", ""),
    ("600 mg IV every 6 months; premeds per protocol", ""),
    ("300 mg IV every 24 weeks", "dose-outside-label"),
    ("OCREVUS 300 MG IV Q6MONTHS", "dose-outside-label"),
):
    chart(
        f"a sig: {words}",
        must,
        ehr=[coverage(), order(dosageInstruction=[{"text": words}]), *EHR[2:]],
        may="auth-per-visit-mismatch dispense-over" if must else "",
    )
