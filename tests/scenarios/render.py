"""`docs/rules.md`, made from the rules and their scenarios: python -m tests.scenarios.render

What the document says is what the tests run: a test fails when it is not up to date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from fhirbridge import mappings, texts
from fhirbridge.core.findings import Finding
from fhirbridge.core.rules import ALL_RULES, FOLDS
from fhirbridge.core.rules.base import Rule

from . import scenario as s
from .phrases import read

DOCUMENT = Path(__file__).parents[2] / "docs" / "rules.md"

HEAD = """\
# The rules

Made from the rules and their scenarios by `python -m tests.scenarios.render`; do not edit.

A rule looks at one dose occasion: one planned treatment of one drug, with what was ordered,
authorized, scheduled, dispensed and given for it. S1 is a matter of safety, S2 blocks the dose,
S3 is likely to fail or to be done twice, S4 is information. *Needs* names the kinds of records
that must have been read completely; without them the rule cannot tell, and what it said before
stays. The numbers are those of [the catalog](domain.md#32-the-catalog); E1 to E7 are the events of
[the story](domain.md#34-the-story). A rule that is *folded* into another writes no Task of its own
while that one stands.

Every scenario is a test in `tests/scenarios/`. Unless it says otherwise its drug is ocrelizumab
(600 mg; two halves of 300 mg at first), and all sources were read.
"""


def document() -> str:
    """The whole document."""
    scenarios = s.every()
    english = texts.load([mappings.shipped() / "tasks" / "en"])
    parts = [HEAD, _overview()]
    for rule in ALL_RULES:
        own = [each for each in scenarios if each.path.parent.name == rule.code]
        parts.append("\n".join(_rule(rule, own, english)))
    others = [each for each in scenarios if each.path.parent.name in ("golden", "quiet")]
    if others:
        parts.append("## Whole journeys\n")
        parts += ["\n".join(_scenario(each)) for each in others]
    return "\n".join(parts).rstrip() + "\n"


def _overview() -> str:
    rows = ["| Rule | Number | Severity | Owner | |", "|---|---|---|---|---|"]
    for rule in ALL_RULES:
        number = rule.source.partition(" ")[0]
        link = f"[{rule.code}](#{rule.code})"
        rows.append(f"| {link} | {number} | {rule.severity} | {rule.owner} | {rule.title} |")
    return "\n".join(rows) + "\n"


def _rule(rule: Rule, own: Iterable[s.Scenario], english: texts.Texts) -> Iterator[str]:
    own = sorted(own, key=lambda each: (not each.fires, each.name))
    yield f"## {rule.code}\n"
    yield f"**{rule.title}.** {rule.why}\n"
    yield "| Severity | Owner | Also told | Needs | Catalog |"
    yield "|---|---|---|---|---|"
    told = ", ".join(role for role in rule.audience if role is not rule.owner) or "–"
    needs = ", ".join(sorted(rule.needs)) or "–"
    yield f"| {rule.severity} | {rule.owner} | {told} | {needs} | {rule.source} |\n"
    if causes := FOLDS.get(rule.code):
        yield f"Folded into {', '.join(causes)}.\n"
    found = next((f for each in own for f in _of(rule, each)), None)
    if found is not None:
        text = english.tell(found, found.owner)
        yield f"> **{text.title}**  "
        yield f"> {text.text}\n"
    for each in own:
        yield from _scenario(each)


def _of(rule: Rule, scenario: s.Scenario) -> list[Finding]:
    return [f for f in scenario.judged().findings if f.rule == rule.code]


def _scenario(scenario: s.Scenario) -> Iterator[str]:
    story = scenario.story
    yield f"**{story.title}** · {story.as_of}"
    site = [f"drug {story.drug}"] if story.drug != "ocrelizumab" else []
    site += [f"{drug} comes by {how}" for drug, how in story.supply.items()]
    site += [] if story.owners else ["the configuration names nobody"]
    site += [f"a {source} is read too" for source in story.also]
    site += [f"{source} has been silent since {since}" for source, since in story.silent.items()]
    site += [] if story.treated else ["the patient died or is inactive"]
    if site:
        yield f"({'; '.join(site)})"
    yield "\n| | | |\n|---|---|---|"
    for line in story.facts.splitlines():
        if line.startswith("not read"):
            yield f"| not read | | {line.removeprefix('not read').strip()} |"
        elif line.strip():
            told = read(line)
            said = line.strip().split(None, 2)[2]
            yield f"| {told.kind} | {told.name} | {said} |"
    for rule, choice in story.answers.items():
        yield f"| answered | | {rule}: {choice} |"
    for number, task in enumerate(story.tasks, start=1):
        said = f"{task.rule}, written {task.written}, due {task.due}, {task.told}"
        yield f"| our task | t{number} | {said} |"
    yield ""
    for each in story.expect:
        named = {name: value for name, value in each.model_dump(exclude={"rule"}).items() if value}
        words = "; ".join(f"{name.replace('_', ' ')} {value}" for name, value in named.items())
        yield f"- **{each.rule}**{': ' + words if words else ''}"
    for code, why in story.cannot_tell.items():
        yield f"- {code} cannot tell: {why}"
    if not story.expect and not story.cannot_tell:
        yield "- nothing is found"
    yield ""


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
