"""The therapies as this folder believes them to be, written from docs/domain.md and the labels,
not read from `mappings/`: a wrong row there must be seen here."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple


class Drug(NamedTuple):
    """`mg`: of one visit; `visits` of one course, `spacing` days apart; `interval` days between
    courses; `ndc`: 10 digits, 11 with hyphens, 11 plain."""

    name: str
    words: str
    rxnorm: str
    ndc: tuple[str, str, str]
    hcpcs: str
    mg_per_unit: int
    mg_per_ml: int
    package_mg: int
    mg: int
    interval: int
    visits: int = 1
    spacing: int = 14
    service: str = "96413"
    premeds: tuple[str, ...] = ()
    minutes: int = 300
    route: str = "IV"
    package: str = "vial"
    coded: bool = False  # mL and packages mean something only with the code of the product
    wrong: tuple[str, str] = ("", "")  # another product: (HCPCS, NDC)

    def units(self, mg: Decimal | int) -> Decimal:
        return Decimal(mg) / self.mg_per_unit

    def ml(self, mg: Decimal | int) -> Decimal:
        return Decimal(mg) / self.mg_per_ml

    def packages(self, mg: Decimal | int) -> Decimal:
        return Decimal(mg) / self.package_mg


BOTH = ("methylprednisolone", "diphenhydramine")

OCRELIZUMAB = Drug(
    "ocrelizumab", "Ocrevus (ocrelizumab)", "1876380",
    ("50242-150-01", "50242-0150-01", "50242015001"),
    "J2350", 1, 30, 300, 600, 182, premeds=BOTH, wrong=("J2351", "50242-554-01"),
)  # fmt: skip
ZUNOVO = Drug(
    "ocrelizumab-hyaluronidase", "Ocrevus Zunovo", "",
    ("50242-554-01", "50242-0554-01", "50242055401"),
    "J2351", 1, 40, 920, 920, 182, service="96401", premeds=("dexamethasone", "cetirizine"),
    route="SC", wrong=("J2350", "50242-150-01"),
)  # fmt: skip
UBLITUXIMAB = Drug(
    "ublituximab", "Briumvi (ublituximab-xiiy)", "",
    ("73150-150-06", "73150-0150-06", "73150015006"),
    "J2329", 1, 25, 150, 450, 168, premeds=BOTH,
)  # fmt: skip
NATALIZUMAB = Drug(
    "natalizumab", "Tysabri (natalizumab)", "603541",
    ("64406-008-01", "64406-0008-01", "64406000801"),
    "J2323", 1, 20, 300, 300, 28, service="96365", minutes=180,
)  # fmt: skip
RITUXIMAB = Drug(
    "rituximab", "Rituxan (rituximab)", "1657868",
    ("50242-053-06", "50242-0053-06", "50242005306"),
    "J9312", 10, 10, 500, 1000, 182, premeds=BOTH, minutes=420, coded=True,
)  # fmt: skip
ALEMTUZUMAB = Drug(
    "alemtuzumab", "Lemtrada (alemtuzumab)", "1594658",
    ("58468-0200-1", "58468-0200-01", "58468020001"),
    "J0202", 1, 10, 12, 12, 368, visits=3, spacing=1, premeds=BOTH[:1], minutes=480,
    wrong=("", "58468-0357-01"),
)  # fmt: skip
INFLIXIMAB = Drug(
    "infliximab", "Remicade (infliximab)", "191831",
    ("57894-030-01", "57894-0030-01", "57894003001"),
    "J1745", 10, 10, 100, 400, 56,
)  # fmt: skip
IVIG = Drug(
    "immune-globulin", "Gamunex-C (IVIG)", "",
    ("13533-800-71", "13533-0800-71", "13533080071"),
    "J1561", 500, 100, 10000, 40000, 28, visits=2, spacing=1, service="96365", coded=True,
)  # fmt: skip

INFUSED = (
    OCRELIZUMAB, ZUNOVO, UBLITUXIMAB, NATALIZUMAB, RITUXIMAB, ALEMTUZUMAB, INFLIXIMAB, IVIG
)  # fmt: skip
SINGLE = tuple(each for each in INFUSED if each.visits == 1)

OFATUMUMAB = Drug(
    "ofatumumab", "Kesimpta (ofatumumab)", "712566",
    ("0078-1007-68", "00078-1007-68", "00078100768"),
    "", 1, 50, 20, 20, 30, route="SC", package="pen",
)  # fmt: skip
ADALIMUMAB = Drug(
    "adalimumab", "Humira (adalimumab)", "327361",
    ("0074-0554-02", "00074-0554-02", "00074055402"),
    "", 1, 100, 40, 40, 14, route="SC", package="pen",
)  # fmt: skip
INJECTED = (OFATUMUMAB, ADALIMUMAB)
