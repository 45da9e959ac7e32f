"""Charts of other drugs than ocrelizumab, and of brands and biosimilars."""

from __future__ import annotations

from typing import Any

from .charts import EHR, chart
from .orders import ZUNOVO
from .records import (
    NDC,
    OCRELIZUMAB,
    OCREVUS_VIAL,
    RXNORM,
    Json,
    answer,
    claim,
    concept,
    coverage,
    dispense,
    given,
    order,
    period,
    premedication,
    quantity,
    visit,
)

# Other drugs
TYSABRI = concept("64406-008-01", NDC, display="Tysabri 300 mg/15 mL")
MONTHLY = [given("2026-11-10", quantity(300), TYSABRI), given("2026-10-13", quantity(300), TYSABRI)]


def natalizumab(name: str, must: str = "", code: str = "J2323", units: int = 3900) -> None:
    chart(
        name,
        must,
        ehr=[coverage(), order(dose=quantity(300), medicationCodeableConcept=TYSABRI), visit()],
        payer=[claim((code, units, "UN"), ("96413", 13, "")), answer()],
        pharmacy=[dispense(quantity(15, "mL"), medicationCodeableConcept=TYSABRI)],
        history=MONTHLY,
        may="rems-not-ready",
    )


natalizumab("natalizumab, approved for a year")
natalizumab("natalizumab, two of two doses used", "auth-short-total", units=600)
natalizumab("Tysabri ordered, its biosimilar approved", "auth-wrong-product", "Q5134")


BRIUMVI = concept("73150-150-06", NDC, display="Briumvi 150 mg/6 mL")
chart(
    "ublituximab, two vials of three",
    "dispense-short",
    ehr=[
        coverage(),
        order(dose=quantity(450), medicationCodeableConcept=BRIUMVI),
        *premedication(),
        visit(),
    ],
    payer=[claim(("J2329", 450, "UN"), ("96413", 1, "")), answer()],
    pharmacy=[dispense(quantity(2, "vial", "{vial}"), medicationCodeableConcept=BRIUMVI)],
    history=[given(day, quantity(450), BRIUMVI) for day in ("2026-06-16", "2025-12-30")],
)
KESIMPTA = concept("0078-1007-68", NDC, display="Kesimpta 20 mg/0.4 mL")
chart(
    "ofatumumab, filled every month",
    ehr=[
        coverage(),
        order(
            medicationCodeableConcept=KESIMPTA,
            dosageInstruction=[
                {
                    "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "mo"}},
                    "doseAndRate": [{"doseQuantity": quantity(20)}],
                }
            ],
        ),
    ],
    payer=[coverage()],
    pharmacy=[
        dispense(
            quantity(0.4, "mL"),
            medicationCodeableConcept=KESIMPTA,
            whenHandedOver="2026-11-20T10:00:00-05:00",
        )
    ],
    history=[],
)

# Rituximab, its brand and its biosimilars
RITUXIMAB = concept("121191", RXNORM, text="rituximab")
RITUXAN = concept("1657868", RXNORM, display="Rituxan")
TRUXIMA = concept("2105835", RXNORM, display="Truxima")
RITUXAN_VIAL = concept("50242-0053-06", NDC)


def rituximab(
    name: str,
    must: str = "",
    ordered: Json = RITUXIMAB,
    supplied: Json = RITUXAN_VIAL,
    code: str = "Q5115",
    units: int = 100,
    may: str = "",
    **more: Any,
) -> None:
    chart(
        name,
        must,
        ehr=[
            coverage(),
            order(dose=quantity(1000), medicationCodeableConcept=ordered, **more),
            *premedication(),
            visit(),
        ],
        payer=[claim((code, units, "UN"), ("96413", 1, "")), answer()],
        pharmacy=[dispense(quantity(100, "mL"), medicationCodeableConcept=supplied)],
        history=[given(day, quantity(1000), RITUXIMAB) for day in ("2026-06-09", "2025-12-09")],
        may=may or ("dispense-wrong-product" if must == WRONG else ""),
    )


WRONG = "auth-wrong-product"
rituximab("rituximab, 100 units are 1,000 mg", code="J9312")
rituximab("rituximab, 50 units", "auth-short-total", code="J9312", units=50)
rituximab(
    "rituximab, the subcutaneous product dispensed",
    "dispense-wrong-product",
    supplied=concept("1927886", RXNORM, display="Rituxan Hycela"),
    code="J9312",
    may="dispense-missing",
)
rituximab("rituximab ordered, a biosimilar approved and dispensed", "", RITUXIMAB, TRUXIMA)
rituximab(
    "rituximab ordered, a biosimilar approved, the brand dispensed", WRONG, RITUXIMAB, RITUXAN_VIAL
)
rituximab("the brand ordered and dispensed, a biosimilar approved", WRONG, RITUXAN, RITUXAN_VIAL)
rituximab(
    "the brand or another ordered, a biosimilar approved and dispensed",
    "",
    RITUXAN,
    TRUXIMA,
    substitution={"allowedBoolean": True},
)
rituximab(
    "rituximab ordered, the brand approved, a biosimilar dispensed",
    WRONG,
    RITUXIMAB,
    TRUXIMA,
    "J9312",
)


# Bags
def bag(denominator: Json, amount: Json) -> list[Json]:
    inside = {
        "resourceType": "Medication",
        "id": "bag",
        "code": {"text": "ocrelizumab 600 mg in 0.9% sodium chloride 500 mL"},
        "ingredient": [
            {
                "itemCodeableConcept": OCRELIZUMAB,
                "strength": {"numerator": quantity(600), "denominator": denominator},
            },
            {"itemCodeableConcept": {"text": "sodium chloride 0.9%"}},
        ],
    }
    made = dispense(
        amount, medicationCodeableConcept=None, medicationReference={"reference": "#bag"}
    )
    return [{**made, "contained": [inside]}]


chart("a bag of 500 mL", pharmacy=bag(quantity(500, "mL"), quantity(500, "mL")))
for written in ("bag", "BAG"):
    chart(f"1 {written}", pharmacy=bag(quantity(1, "bag", "{bag}"), quantity(1, written)))
chart(
    "a vial in a record that tells of bags",
    "dispense-short",
    pharmacy=bag(quantity(1, "bag", "{bag}"), quantity(1, "vial", "{vial}")),
)

# One ingredient in two products
chart(
    "infusion and injection ordered for one day",
    "duplicate-order",
    ehr=[
        *EHR,
        order("z", quantity(920), medicationCodeableConcept=ZUNOVO, authoredOn="2026-10-20"),
    ],
    may="auth-wrong-product order-without-appt",
)
chart(
    "the injection was given ten weeks ago",
    "interval-too-early",
    history=[given("2026-09-29", quantity(920), ZUNOVO)],
)
chart("switched from the injection in time", history=[given("2026-06-09", quantity(920), ZUNOVO)])
chart(
    "ordered again in vials on the pharmacy's server",
    "duplicate-order",
    pharmacy=[
        order(
            "o9",
            quantity(2, "vial", "{vial}"),
            medicationCodeableConcept=OCREVUS_VIAL,
            authoredOn="2026-11-02",
        ),
        dispense(),
    ],
    may="link-ambiguous dispense-missing order-without-appt",
)

# The words of an order against its figures, where a dose goes by weight
REMICADE = concept("57894-0030-01", NDC, display="Remicade 100 MG")
for words, must in (
    ("500 mg IV every 8 weeks", "unit-ambiguous"),
    ("400 mg (5 mg/kg x 80 kg) IV every 8 weeks", ""),
    ("5 mg/kg IV every 8 weeks", ""),
    ("250 mL IV over 2 hours", ""),
    ("Remicade 100 mg IV solution", ""),
    ("4 vials", ""),
):
    (dosage,) = order(dose=quantity(400))["dosageInstruction"]
    chart(
        f"400 mg of infliximab in figures, in words: {words}",
        must,
        ehr=[
            coverage(),
            order(
                medicationCodeableConcept=REMICADE, dosageInstruction=[{**dosage, "text": words}]
            ),
            visit(),
        ],
        payer=[claim(("J1745", 40, "UN"), ("96413", 1, "")), answer(span=period("2026-11-01"))],
        pharmacy=[dispense(quantity(400), medicationCodeableConcept=REMICADE)],
        history=[given(day, quantity(400), REMICADE) for day in ("2026-10-13", "2026-08-18")],
    )
