"""Charts that say in words what others code: payers' decisions, what is taken before, what a visit
is for and where it is.
"""

from __future__ import annotations

from typing import Any

from .charts import EHR, chart
from .payers import MISSING
from .records import (
    PATIENT,
    RXNORM,
    Json,
    claim,
    concept,
    coverage,
    order,
    premedication,
    quantity,
    response,
    visit,
)


# What payers write
def answered(words: str, **more: Any) -> list[Json]:
    says = {"disposition": words, "request": {"reference": "Claim/c"}}
    return [claim(), response(says, more)]


GRANT = {"preAuthRef": "AUTH1", "preAuthPeriod": {"start": "2026-10-01", "end": "2027-03-31"}}
for words in (
    *("Approved as requested", "Certified in total", "Authorization approved", "PA approved"),
    *("Approval granted", "Request has been approved", "Favorable determination"),
):
    chart(f"the payer writes: {words}", payer=answered(words, **GRANT))
for words in (
    *("Denied - Not Medically Necessary", "Request denied", "Adverse determination", "DENIED"),
    *("Not certified", "Non-certified", "Disapproved", "Unfavorable determination"),
):
    chart(f"the payer writes: {words}", "auth-denied", payer=answered(words))
for words in (
    *("Pended for clinical review", "In review", "Under review", "More information needed"),
    *("Pend - additional information required", "Awaiting clinical documentation"),
):
    chart(f"the payer writes: {words}", "auth-pended-near-appt", payer=answered(words))
chart("the payer queues it", "auth-pended-near-appt", payer=answered("", outcome="queued"))
chart("asked, and not answered yet", MISSING, payer=[claim()], may="auth-pended-near-appt")


# What is taken before
def before(*orders: Json, **main: Any) -> list[Json]:
    return [coverage(), order(**main), *orders, visit()]


def drug(id: str, text: str, **more: Any) -> Json:
    return order(id, quantity(50), "", medicationCodeableConcept={"text": text}, **more)


STEROIDS = (
    *("methylPREDNISolone sodium succinate (SOLU-MEDROL) injection", "Medrol 32 mg tablet"),
    "dexamethasone 20 mg PO",
)
ANTIHISTAMINES = "diphenhydrAMINE (BENADRYL) capsule", "hydroxyzine 25 mg", "levocetirizine"
for steroid in STEROIDS:
    for antihistamine in ANTIHISTAMINES:
        chart(
            f"{steroid} and {antihistamine} before",
            ehr=before(drug("s", steroid), drug("h", antihistamine)),
        )
for status in ("on-hold", "draft", "cancelled", "completed"):
    chart(
        f"a steroid that is {status}",
        "premed-order-missing",
        ehr=before(drug("s", "methylprednisolone", status=status), drug("h", "Benadryl")),
    )
chart("only acetaminophen", "premed-order-missing", ehr=before(drug("a", "acetaminophen")))
chart(
    "a steroid for the skin",
    "premed-order-missing",
    ehr=before(drug("s", "hydrocortisone 1% topical cream"), drug("h", "Benadryl")),
)
chart(
    "premedication by ingredients",
    ehr=before(
        order("s", quantity(100), "", medicationCodeableConcept=concept("6902", RXNORM)),
        order("h", quantity(50), "", medicationCodeableConcept=concept("3498", RXNORM)),
    ),
)
BOTH = "methylprednisolone 100 mg and diphenhydramine 50 mg"
for words, must in (
    (f"No known allergies. Premedicate with {BOTH}.", ""),
    (f"Premedicate with {BOTH} to reduce infusion reactions", ""),
    (f"{BOTH} IV 30 minutes before", ""),
    (f"No premedication with {BOTH}", "premed-order-missing"),
    (f"Reaction to {BOTH} in 2019", "premed-order-missing"),
    (f"For infusion reaction: {BOTH} IV PRN", "premed-order-missing"),
    (f"If a reaction occurs, give {BOTH}", "premed-order-missing"),
):
    chart(f"a note: {words}", must, ehr=before(note=[{"text": words}]))


def at_need(**dosage: Any) -> Json:
    return {"dosageInstruction": [{"doseAndRate": [{"doseQuantity": quantity(50)}], **dosage}]}


RESCUE = at_need(asNeededCodeableConcept={"text": "infusion reaction"})
RESCUES = [
    drug("r1", "methylprednisolone", **RESCUE),
    drug("r2", "diphenhydramine", **at_need(asNeededBoolean=True, text="50 mg IV PRN hives")),
]
chart("only what is there for a reaction", "premed-order-missing", ehr=before(*RESCUES))
chart("what is there for a reaction beside", ehr=before(*premedication(), *RESCUES))


# What a visit is for
def in_words(words: str) -> tuple[Json, Json]:
    return {"description": words, "serviceType": None}, {"serviceType": [{"text": words}]}


for words in (
    *("Pre-infusion labs", "Lab draw before infusion", "Infusion follow-up call"),
    *("Infusion teaching visit", "Infusion center orientation", "Ocrevus pre-infusion labs"),
    *("Insurance verification for infusion", "Nurse phone call: infusion reminder"),
):
    for element in in_words(words):
        beside = visit("v0", "2026-12-04T09:00:00-05:00", 1, supportingInformation=None, **element)
        where = next(iter(element))
        chart(f"beside the infusion, in its {where}: {words}", ehr=[*EHR, beside])
        chart(
            f"instead of the infusion, in its {where}: {words}",
            "order-without-appt",
            ehr=[*EHR[:-1], beside],
        )
LOCAL = {"system": "urn:oid:1.2.840", "code": "2601", "display": "INFUSION 6 HR"}
BOOKED: dict[str, Json] = {
    "the comment": {"comment": "OCREVUS INFUSION 600MG", "serviceType": None},
    "a description with its labs": {"description": "Ocrevus infusion; pre-infusion labs at 8:30"},
    "a local service": {"serviceType": [{"coding": [LOCAL]}]},
}
for name, element in BOOKED.items():
    chart(
        f"an infusion, says {name}",
        ehr=[*EHR[:-1], visit(supportingInformation=None, **element)],
    )

# Where it is
HOME = [{"resourceType": "Location", "id": "h", "name": "Patient Residence"}]
AT_HOME = [{"actor": PATIENT}, {"actor": {"reference": "Location/h", "display": "Patient's home"}}]
SAID: dict[str, Json] = {
    "service": {"serviceType": [{"text": "Home infusion"}]},
    "place": {"participant": AT_HOME},
    "description": {"description": "Ocrevus infusion at home", "serviceType": None},
}
for name, element in SAID.items():
    chart(
        f"at home, says the {name}",
        "site-of-care-mismatch home-admin-auth-missing",
        ehr=[*EHR[:-1], visit(**element), *HOME],
    )
chart(
    "the premedication is taken at home",
    ehr=[*EHR[:-1], visit(comment="Take Benadryl at home; the home health nurse may call")],
)
