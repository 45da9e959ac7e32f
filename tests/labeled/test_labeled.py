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

from . import edges, quiet, stories  # noqa: F401 (they fill STORIES)
from .chart import Json
from .drugs import OCRELIZUMAB, Drug
from .story import STORIES, Story, well
from .style import ESTATES, PLAIN, Style, styles
from .verbs import Verbs

#: A Tuesday in winter; a Friday before summer time begins.
DAYS = (date(2026, 12, 1), date(2027, 3, 12))
#: Forms of each story for its first drug, and for each other; `make labeled` plays more.
MANY = int(os.environ.get("FHIRBRIDGE_FORMS", "8"))
FEW = max(2, MANY // 4)


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


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[int, set[str]]:
    """The rules that found something, by the number of the journey."""
    site = Settings()
    known = wiring.formulary(site)
    result: dict[int, set[str]] = defaultdict(set)
    for today in DAYS:
        audit = Audit(wiring.decider(site, known, {}, today=today), wiring.words(site))
        for estate in ESTATES:
            charts = [told(j) for j in ALL if (j.style.estate, j.today) == (estate, today)]
            folder = tmp_path_factory.mktemp(f"{estate}-{today}")
            exported(folder, [neighbor(estate, today), *charts])
            as_of = datetime(today.year, today.month, today.day, 15, tzinfo=UTC)
            with audit.over(exports([str(folder)]), as_of) as answer:
                for row in answer.findings():
                    result[int(row["patient"].rpartition("/")[2][1:])].add(row["rule"])
    return result


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_story_in_all_its_forms(story: Story, found: dict[int, set[str]]) -> None:
    mine = [journey for journey in ALL if journey.story is story]
    # That nobody is named as the owner is the consequence of a trouble; here nobody is named.
    may = story.must | story.may | ({"no-owner"} if story.must else NONE)
    wrong = [
        f"{j.drug.name}: missed {sorted(story.must - rules)}, false {sorted(rules - may)}"
        f" in {j.style} on {j.today}"
        for j in mine
        if not story.must <= (rules := found.get(j.number, set())) or not rules <= may
    ]
    assert not wrong, f"{len(wrong)} of {len(mine)}\n" + "\n".join(wrong)


def test_the_neighbors_stay_quiet(found: dict[int, set[str]]) -> None:
    assert 0 not in found
