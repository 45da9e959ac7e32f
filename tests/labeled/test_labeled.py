"""Several hundred labeled journeys, in many representations, link styles and estates, through the
audit itself: every trouble that is there is found, and nothing else is said."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from fhirbridge import wiring
from fhirbridge.audit import Audit, exports
from fhirbridge.fhir import jsonio
from fhirbridge.settings import Settings

from . import edges, quiet, stories  # noqa: F401 - they fill STORIES
from .chart import Json
from .drugs import OCRELIZUMAB, Drug
from .story import STORIES, Story, well
from .style import ESTATES, PLAIN, Style, styles
from .verbs import Verbs

#: A Tuesday in winter; a Friday before summer time begins.
DAYS = (date(2026, 12, 1), date(2027, 3, 12))
#: Forms of each story for its first drug, and for each other; `make labeled` plays more.
MANY = int(os.environ.get("FHIRBRIDGE_TEST_FORMS", "4"))
FEW = max(1, MANY // 4)


NONE: frozenset[str] = frozenset()


class Journey(NamedTuple):
    number: int
    story: Story
    drug: Drug
    style: Style
    today: date


def journeys() -> Iterator[Journey]:
    number = 0
    for story in STORIES:
        for drug in story.drugs:
            count = MANY if drug is story.drugs[0] else FEW
            for n, style in enumerate(styles(count, f"{story.name} {drug.name}", **story.fixed)):
                number += 1
                yield Journey(number, story, drug, style, DAYS[n % len(DAYS)])


ALL = tuple(journeys())


def told(journey: Journey) -> Verbs:
    chart = Verbs(journey.number, journey.today, journey.drug, journey.style)
    journey.story.tell(chart)
    chart.patients()
    return chart


def lines(chart: Verbs, source: str, records: list[Json]) -> Iterator[Json]:
    """The records of one person on one server, as this style exports them."""
    link = chart.style.link
    if link not in ("absolute", "uuid"):
        yield from records
        return
    entries = []
    for each in records:
        url = f"https://{source}.example/fhir/{each['resourceType']}/{each['id']}"
        if link == "uuid":
            url = f"urn:uuid:{each['id']}"
        entries.append({"fullUrl": url, "resource": each})
    if link == "uuid":
        text = jsonio.dumps(entries)
        for each in records:
            relative = f'"{each["resourceType"]}/{each["id"]}"'
            text = text.replace(relative.encode(), f'"urn:uuid:{each["id"]}"'.encode())
        entries = jsonio.loads(text)
    yield {"resourceType": "Bundle", "type": "collection", "entry": entries}


def exported(folder: Path, charts: list[Verbs]) -> None:
    rows: dict[str, list[bytes]] = defaultdict(list)
    for chart in charts:
        for source, records in chart.sources.items():
            rows[source] += [jsonio.dumps(each) for each in lines(chart, source, records)]
    for source, found in rows.items():
        (folder / source).mkdir(parents=True)
        (folder / source / "export.ndjson").write_bytes(b"\n".join(found) + b"\n")


def neighbor(estate: str, today: date) -> Verbs:
    """Somebody for whom all is well, so that each server of the estate holds all that it holds."""
    style = PLAIN._replace(estate=estate)
    return told(Journey(0, Story("", well, NONE, NONE, (), {}), OCRELIZUMAB, style, today))


@pytest.mark.parametrize("today", DAYS, ids=str)
@pytest.mark.parametrize("estate", ESTATES)
def test_what_is_there_is_found_and_nothing_else(estate: str, today: date, tmp_path: Path) -> None:
    """The journeys of one estate and day in one audit: no two tests play the same journey."""
    mine = [j for j in ALL if (j.style.estate, j.today) == (estate, today)]
    found = audited(tmp_path, estate, today, mine)
    wrong = [
        f"{j.story.name}, {j.drug.name}: missed {sorted(j.story.must - rules)},"
        f" false {sorted(rules - allowed(j.story))} in {j.style}"
        for j in mine
        if not j.story.must <= (rules := found[j.number]) or not rules <= allowed(j.story)
    ]
    assert not wrong, f"{len(wrong)} of {len(mine)}\n" + "\n".join(wrong)
    assert not found[0], "the neighbor"


def test_every_story_is_played() -> None:
    assert {journey.story.name for journey in ALL} == {story.name for story in STORIES}


def audited(folder: Path, estate: str, today: date, played: list[Journey]) -> dict[int, set[str]]:
    """The rules that found something, by the number of the journey."""
    site = Settings()
    audit = Audit(wiring.decider(site, wiring.formulary(site), {}, today=today), wiring.words(site))
    exported(folder, [neighbor(estate, today), *map(told, played)])
    as_of = datetime(today.year, today.month, today.day, 15, tzinfo=UTC)
    result: dict[int, set[str]] = defaultdict(set)
    with audit.over(exports([str(folder)]), as_of) as answer:
        for row in answer.findings():
            result[int(row["patient"].rpartition("/")[2][1:])].add(row["rule"])
    return result


def allowed(story: Story) -> frozenset[str]:
    # That nobody is named as the owner is the consequence of a trouble; here nobody is named.
    return story.must | story.may | ({"no-owner"} if story.must else NONE)
