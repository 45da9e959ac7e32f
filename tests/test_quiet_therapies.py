"""Every shipped therapy given in a chair, in the words of the scenarios: where all agrees, nothing
is found; where a package is missing, it is said. New drugs need rules that were made for others to
hold for them too: doses by weight, courses of several days, short and long spacings.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from fhirbridge import mappings
from tests.scenarios import scenario


class Course(NamedTuple):
    drug: str  # its name in records
    dose: str
    given: str  # earlier days
    visits: int
    billed: str  # HCPCS code and units authorized
    service: str
    supply: str  # what is handed out for all visits
    less: str = ""  # a package less


THERAPIES = {
    "ocrelizumab": Course(
        "Ocrevus", "600 mg", "9 June 2026", 1, "J2350, 600", "96413", "20 mL", "10 mL"
    ),
    "ocrelizumab-hyaluronidase": Course(
        "Ocrevus Zunovo", "920 mg", "9 June 2026", 1, "J2351, 920", "96401", "1 vial"
    ),
    "ublituximab": Course(
        "Briumvi", "450 mg", "16 June 2026", 1, "J2329, 450", "96413", "3 vials", "2 vials"
    ),
    "natalizumab": Course(
        "Tysabri",
        "300 mg",
        "10 November 2026; 13 October 2026",
        1,
        "J2323, 3900",
        "96413",
        "1 vial",
    ),
    "rituximab": Course(
        "rituximab", "1000 mg", "9 June 2026", 1, "J9312, 100", "96413", "100 mL", "50 mL"
    ),
    "alemtuzumab": Course("Lemtrada", "12 mg", "", 5, "J0202, 60", "96413", "5 vials", "4 vials"),
    # 375 mg are three vials and three quarters: the rest of the fourth is no excess.
    "infliximab": Course(
        "Remicade", "375 mg", "13 October 2026", 1, "J1745, 320", "96413", "4 vials", "3 vials"
    ),
    "immune-globulin": Course(
        "IVIG",
        "35 g",
        "17 November 2026; 18 November 2026; 27 October 2026; 28 October 2026",
        2,
        "J1561, 1400",
        "96365",
        "70 g",
        "60 g",
    ),
}


def story(folder: Path, name: str, short: bool) -> Path:
    drug, dose, given, visits, billed, service, supply, less = THERAPIES[name]
    lines = [f"order o1 {drug} {dose}, {visits} visit, written 1 November 2026, every 1 days"]
    lines += [
        f"visit v{n} {8 + n} December 2026 08:00, infusion, booked, for o1" for n in range(visits)
    ]
    lines += [f"given g{n} {drug} {dose}, {day}" for n, day in enumerate(given.split("; ")) if day]
    lines += [f"dispensed d1 {drug} {less if short else supply}, 4 December 2026, for o1"]
    lines += [f"approved a1 {billed} units, until 31 July 2027"]
    lines += [f"approved a2 {service}, {visits} visits, until 31 July 2027"]
    lines += ["premed p1 methylprednisolone 100 mg", "premed p2 diphenhydramine 50 mg"]
    path = folder / f"{name}.yaml"
    facts = "\n".join(f"  {line}" for line in lines)
    path.write_text(f"title: x\nas_of: 4 December 2026 15:00\nfacts: |\n{facts}\nexpect: []\n")
    return path


def found(path: Path) -> set[str]:
    return {finding.rule for finding in scenario.load(path).judged().findings}


@pytest.mark.parametrize("name", sorted(THERAPIES))
def test_where_all_agrees_nothing_is_found(name: str, tmp_path: Path) -> None:
    assert found(story(tmp_path, name, short=False)) == set()


@pytest.mark.parametrize("name", sorted(n for n, course in THERAPIES.items() if course.less))
def test_a_missing_package_is_found(name: str, tmp_path: Path) -> None:
    rules = found(story(tmp_path, name, short=True))
    assert rules & {"dispense-short", "dispense-missing"}
    assert rules <= {"dispense-short", "dispense-missing"}


def test_no_therapy_is_left_out() -> None:
    therapies = mappings.load([mappings.shipped()]).formulary.therapies.values()
    assert set(THERAPIES) == {each.name for each in therapies if each.infusion}
