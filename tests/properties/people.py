"""Charts of people as Hypothesis draws them: any mixture of facts, linked in any way.

Names, days and numbers come from small pools, so that facts meet: two orders of one drug, an
authorization for another visit, a supply that nobody ordered.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from fhirbridge.core import facts as f
from fhirbridge.core.calendar import Calendar
from fhirbridge.core.quantity import Amount
from fhirbridge.core.rules import Context
from tests.scenarios.scenario import every, formulary

ZONE = ZoneInfo("America/New_York")
CALENDAR = Calendar(ZONE, frozenset({date(2026, 11, 26), date(2026, 12, 25)}))
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
FIRST, DAYS = date(2026, 5, 1), 300
#: Most visits of the scenarios lie in the weeks after this day.
BUSY = date(2026, 11, 16)
SEEN = ("orders", "schedule", "administrations", "authorizations", "coverage", "dispenses")

days = st.integers(0, DAYS).map(lambda n: FIRST + timedelta(days=n))
busy_days = st.integers(0, 30).map(lambda n: BUSY + timedelta(days=n))
some_day = st.none() | days
moments = st.builds(
    lambda day, hour, minute: datetime.combine(day, time(hour, minute), ZONE),
    busy_days | days,
    st.integers(0, 23),
    st.sampled_from((0, 1, 30, 59)),
)
words = st.sampled_from(
    (
        "ocrelizumab",
        "ocrelizumab\n600 mg once",
        "ocrelizumab\n300 mg x 2",
        "natalizumab",
        "Kesimpta",
        "Ocrevus Zunovo",
        "aspirin",
        "infusion",
        "",
        "methylprednisolone 100 mg",
        "diphenhydramine",
    )
)
codes = st.sampled_from(
    (
        (),
        (f.Code(HCPCS, "J2350"),),
        (f.Code(HCPCS, "J2351"),),
        (f.Code(CPT, "96413"),),
        (f.Code(CPT, "99601"),),
        (f.Code(HCPCS, "J2323"),),
    )
)
amounts = st.none() | st.builds(
    Amount,
    st.sampled_from([Decimal(n) for n in (0, 1, 2, 10, 20, 300, 600, 1200, -5)])
    | st.decimals(0, 2000, places=2),
    st.sampled_from(("mg", "mL", "vial", "units", "", "IU", "fortnights")),
)
counts = st.none() | st.integers(0, 4)
spans = st.builds(f.Span, some_day, some_day)
sites = st.sampled_from((f.SOMEWHERE, f.Site("home"), f.Site("office"), f.Site("hospital")))
parties = st.sampled_from(
    (None, f.Party("ehr", "Organization/1"), f.Party("payer", None, "urn:npi|2", "Two"))
)
NAMES = [
    f"{source}:{kind}/{number}"
    for source in ("ehr", "payer")
    for kind in ("MedicationRequest", "Appointment", "ClaimResponse")
    for number in (1, 2, 3)
] + ["urn:number|1", "urn:number|2", "nothing"]
links = st.lists(
    st.builds(f.Link, st.sampled_from(NAMES), st.integers(0, 1), st.just("link")), max_size=2
).map(tuple)


def _common(kind: str) -> dict[str, st.SearchStrategy[Any]]:
    refs = st.builds(
        f.Ref,
        st.sampled_from(("ehr", "payer")),
        st.just(kind),
        st.sampled_from(("1", "2", "3")),
    )
    return {
        "ref": refs,
        "names": st.frozensets(st.sampled_from(("urn:number|1", "urn:number|2")), max_size=1),
        "links": links,
        "codes": codes,
        "text": words,
        "state": st.sampled_from([f.State.ACTIVE, f.State.ACTIVE, *f.State]),
        "updated": st.none() | moments,
    }


orders = st.builds(
    f.Order,
    **_common("MedicationRequest"),
    kind=st.sampled_from(("medication", "medication", "service")),
    per_visit=amounts,
    visits=counts,
    per_fill=amounts,
    days=st.lists(days, max_size=2, unique=True).map(lambda found: tuple(sorted(found))),
    window=spans,
    spacing_days=st.none() | st.integers(0, 200),
    authored=st.none() | moments,
    site=sites,
    requester=parties,
    dispenser=parties,
    requisition=st.sampled_from((None, "R1")),
    chain=st.none() | st.sampled_from(NAMES),
    parent=st.none() | st.sampled_from(NAMES),
)
visits = st.builds(
    lambda start, hours, **rest: f.Visit(
        start=start,
        end=start + timedelta(hours=hours) if start and hours else None,
        day=start.date() if start else None,
        **rest,
    ),
    start=st.none() | moments,
    hours=counts,
    **_common("Appointment"),
    status=st.sampled_from(("booked", "booked", "fulfilled", "cancelled", "noshow", "pending")),
    site=sites,
    performer=parties,
    reason=st.sampled_from(("", "meds-inc", "pat")),
)
authorizations = st.builds(
    f.Authorization,
    **_common("ClaimResponse"),
    decision=st.sampled_from(f.Decision),
    document=st.sampled_from(("D1", "D2")),
    per_visit=amounts,
    visits=counts,
    total=amounts,
    span=spans,
    numbers=st.frozensets(st.sampled_from(("A1", "A2")), max_size=1),
    issued=st.none() | moments,
    site=sites,
    provider=parties,
    insurer=parties,
    priority=st.sampled_from(("", "stat")),
    reason=st.sampled_from(("", "not covered")),
)
supplies = st.builds(
    f.Supply,
    **_common("MedicationDispense"),
    amount=amounts,
    stage=st.sampled_from(("promised", "committed", "delivered", "returned", "none")),
    partial=st.booleans(),
    day=some_day,
    expected=some_day,
    pharmacy=parties,
    destination=sites,
)
administrations = st.builds(
    f.Administration,
    **_common("MedicationAdministration"),
    amount=amounts,
    day=some_day,
    complete=st.sampled_from((True, True, False, None)),
)
requirements = st.builds(
    f.Requirement,
    **_common("CoverageEligibilityResponse"),
    needed=st.sampled_from(("yes", "no", "conditional", "unknown")),
    span=spans,
    limit=amounts,
    used=amounts,
    in_force=st.none() | st.booleans(),
)
coverages = st.builds(
    f.Coverage,
    **_common("Coverage"),
    span=spans,
    payor=parties,
    order=counts,
)
facts = st.one_of(
    orders,
    orders,
    visits,
    visits,
    authorizations,
    supplies,
    administrations,
    requirements,
    coverages,
)


def shifted(fact: f.Fact, days: int) -> f.Fact:
    """The fact some days later; what has no day stays."""
    step = timedelta(days=days)

    def move(day: Any) -> Any:
        return day + step if day else None

    match fact:
        case f.Visit():
            return replace(fact, start=move(fact.start), end=move(fact.end), day=move(fact.day))
        case f.Supply() | f.Administration():
            return replace(fact, day=move(fact.day))
        case f.Authorization() | f.Coverage() | f.Requirement():
            return replace(fact, span=f.Span(move(fact.span.start), move(fact.span.end)))
        case f.Order():
            return replace(
                fact,
                days=tuple(map(move, fact.days)),
                window=f.Span(move(fact.window.start), move(fact.window.end)),
            )
    return fact


@st.composite
def disturbed(draw: st.DrawFn) -> list[f.Fact]:
    """A scenario of which something is missing, something moved, and something was added."""
    told = draw(st.sampled_from(SCENARIOS)).facts
    kept = [fact for fact in told if draw(st.integers(0, 9))]
    moved = [shifted(fact, draw(st.sampled_from((0, 0, 0, -20, -3, 1, 7, 14)))) for fact in kept]
    return moved + draw(st.lists(facts, max_size=3))


SCENARIOS = every()
charts: st.SearchStrategy[list[f.Fact]] = disturbed() | st.lists(facts, max_size=12)


def context(as_of: datetime, supply: str | None = None, blind: str | None = None) -> Context:
    """What the rules know of everybody here; `blind` is a kind of records that was not read."""
    return Context(
        as_of=as_of,
        calendar=CALENDAR,
        person="ehr:Patient/1",
        formulary=formulary(),
        sight={("ehr", kind): "unread" if kind == blind else "complete" for kind in SEEN},
        supply={"ocrelizumab": supply} if supply else {},
    )
