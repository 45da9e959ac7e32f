"""A small formulary for tests: two forms of one drug, two vials of another, a pen.

It is made when a test first asks for it, not while tests are imported: a change of mutmut is not
switched on before that.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache

from fhirbridge.core.facts import Code, Span
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.quantity import mg
from fhirbridge.core.therapy import (
    Believed,
    Billing,
    Dose,
    PerKg,
    Phase,
    Premedication,
    Prerequisite,
    Product,
    Rems,
    Service,
    Therapy,
)
from fhirbridge.core.visits import Visits

HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
NDC = "http://hl7.org/fhir/sid/ndc"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"


@cache
def formulary() -> Formulary:
    """The drugs of this file, and what their visits are called."""
    return Formulary(
        [_ocrelizumab(), _zunovo(), _rituximab(), _pen(), _by_weight(), _carton(), _kit()],
        Visits(
            yes_codes=(Code(CPT, "96413"),),
            no_codes=(Code("http://clinic.example", "DENT"),),
            yes_words=("infusion",),
            no_words=("mri", "office visit"),
        ),
    )


def drug(name: str) -> Therapy:
    """The therapy of this name."""
    return formulary().therapies[name]


def _ocrelizumab() -> Therapy:
    return Therapy(
        name="ocrelizumab",
        title="Ocrelizumab IV",
        ingredient="ocrelizumab",
        route="intravenous",
        aliases=("ocrevus", "ocrelizumab"),
        ingredients=(Code(RXNORM, "1876366"),),
        products=(
            Product(
                "Ocrevus 300 mg/10 mL",
                (Code(RXNORM, "1876380"), Code(NDC, "50242-150-01")),
                Decimal(30),
                Decimal(300),
            ),
        ),
        billing=(
            Billing(Code(HCPCS, "J2350"), Decimal(1), Span(date(2018, 1, 1))),
            Billing(Code(HCPCS, "C9494"), Decimal(1), Span(None, date(2017, 12, 31))),
        ),
        services=(
            Service(Code(CPT, "96413"), "administration"),
            Service(Code(CPT, "99601"), "home-nursing"),
        ),
        phases=(
            Phase("initial", (Dose(mg(300), 2, 14),)),
            Phase("maintenance", (Dose(mg(600), 1),), every_weeks=24, every_months=6),
        ),
        premedications=(
            Premedication("steroid", True, (Code(HCPCS, "J2930"),), ("methylprednisolone",)),
            Premedication("antihistamine", True, (Code(RXNORM, "3498"),), ("diphenhydramine",)),
        ),
        minimum_days=140,
        traps=(Code(HCPCS, "J2351"),),
        trap_words=("zunovo",),
    )


def _zunovo() -> Therapy:
    return Therapy(
        name="zunovo",
        title="Ocrelizumab SC",
        ingredient="ocrelizumab",
        route="subcutaneous",
        aliases=("ocrevus zunovo", "zunovo"),
        ingredients=(Code(RXNORM, "1876366"),),
        products=(Product("Zunovo", (Code(NDC, "50242-554-01"),), Decimal(40), Decimal(920)),),
        billing=(Billing(Code(HCPCS, "J2351"), Decimal(1)),),
        phases=(Phase("maintenance", (Dose(mg(920), 1),), every_weeks=24),),
    )


def _rituximab() -> Therapy:
    return Therapy(
        name="rituximab",
        title="Rituximab IV",
        ingredient="rituximab",
        route="intravenous",
        aliases=("rituxan", "rituximab"),
        products=(
            Product("100 mg", (Code(NDC, "50242-0051-21"),), Decimal(10), Decimal(100)),
            Product("500 mg", (Code(NDC, "50242-0053-06"),), Decimal(10), Decimal(500)),
            Product("biosimilar", (Code(RXNORM, "2105831"),), Decimal(10)),
        ),
        billing=(
            Billing(Code(HCPCS, "J9312"), Decimal(10)),
            Billing(Code(HCPCS, "J9310"), Decimal(100)),
        ),
        phases=(Phase("initial", (Dose(mg(1000), 2, 14),), every_months=6),),
        traps=(Code(RXNORM, "1927886"),),
        trap_words=("hycela",),
    )


def _pen() -> Therapy:
    return Therapy(
        name="pen",
        title="A drug in a pen, in two strengths",
        ingredient="penumab",
        route="subcutaneous",
        infusion=False,
        aliases=("penumab",),
        products=(
            Product("low", (Code(NDC, "11111-222-01"),), Decimal(10), Decimal(20), "pen"),
            Product("high", (Code(NDC, "11111-223-01"),), Decimal(50), Decimal(20), "pen"),
            # Written without hyphens, this one may be the first or the second of these two:
            Product("twin", (Code(NDC, "01234-5678-01"),)),
            Product("other twin", (Code(NDC, "12345-0678-01"),)),
        ),
    )


def _by_weight() -> Therapy:
    """By weight, in vials of which part is thrown away."""
    return Therapy(
        name="by-weight",
        title="A drug by weight",
        ingredient="weightumab",
        route="intravenous",
        aliases=("weightumab",),
        products=(Product("vial", (Code(NDC, "22222-333-01"),), Decimal(10), Decimal(100)),),
        billing=(Billing(Code(HCPCS, "J7777"), Decimal(10)),),
        phases=(
            Phase(
                "maintenance",
                (Dose(None, 1, per_kg=PerKg(Decimal(3), Decimal(10))),),
                every_weeks=8,
            ),
        ),
        prerequisites=(
            Prerequisite("tuberculosis", (), ("tb test", "quantiferon")),
            Prerequisite("hepatitis-b", (Code(LOINC, "5195-3"),), ("hbsag",), within_days=365),
        ),
        rems=Rems("Weight REMS", ("prescriber", "patient"), ("weightumab rems",)),
        waste=True,
        believed=Believed(Decimal(100), Decimal(2500)),
    )


def _carton() -> Therapy:
    return Therapy(
        name="carton",
        title="Two pens in a carton",
        ingredient="cartumab",
        route="subcutaneous",
        infusion=False,
        aliases=("cartumab",),
        products=(
            Product(
                "carton", (Code(NDC, "33333-444-02"),), Decimal(100), Decimal(40), "pen", per_kit=2
            ),
        ),
    )


def _kit() -> Therapy:
    return Therapy(
        name="kit",
        title="A kit with a vial and what dissolves it",
        ingredient="kitumab",
        route="intravenous",
        aliases=("kitumab",),
        products=(Product("kit", (Code(NDC, "44444-555-01"),), None, Decimal(50), "kit"),),
    )
