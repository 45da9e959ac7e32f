"""What every rule says, to each of its audiences, as people read it: one file for each rule.

    python -m tests.scenarios.golden_texts      writes tests/golden/texts anew

The findings are those of the scenarios. A change of a text is seen here, and reviewed as a nurse
would read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fhirbridge import mappings, texts
from fhirbridge.core.findings import Finding, Role
from fhirbridge.core.plan import Why
from fhirbridge.core.roots import ROOT_RULE, Part, roots
from fhirbridge.texts import Text

from . import scenario as s

FOLDER = Path(__file__).parents[1] / "golden" / "texts"


def english() -> texts.Texts:
    return texts.load([mappings.shipped() / "tasks" / "en"])


def findings() -> dict[str, list[Finding]]:
    """By rule, a finding for each variant and owner."""
    found: dict[str, dict[tuple[str, str], Finding]] = {}
    for scenario in s.every():
        for each in scenario.judged().findings:
            found.setdefault(each.rule, {}).setdefault((each.variant, each.owner.value), each)
    return {
        rule: [each for _, each in sorted(of_rule.items())]
        for rule, of_rule in sorted(found.items())
    }


def said(finding: Finding, spoken: texts.Texts) -> Iterator[tuple[str, Text]]:
    """What a finding says, to whom: to patients too, where there are words for them."""
    roles = [finding.owner, *finding.audience]
    if Role.PATIENT in spoken.templates[finding.rule].audiences:
        roles.append(Role.PATIENT)
    for role in dict.fromkeys(roles):
        yield role.value, spoken.tell(finding, role)


def page(of_rule: list[Finding], spoken: texts.Texts) -> str:
    """All texts of one rule."""
    lines = []
    for finding in of_rule:
        lines.append(f"# {finding.variant or 'always'} ({finding.severity})")
        for role, text in said(finding, spoken):
            lines += ["", f"to {spoken.name(role)}: {text.title}"]
            lines += [f"  {part}" for part in (text.summary, text.action, text.known) if part]
        if finding.choices:
            choices = [spoken.name(words) for words in finding.choices.values()]
            lines += ["", f"  {spoken.asked('', choices).strip()}"]
        lines.append("")
    return "\n".join(lines)


def pages(of_rules: dict[str, list[Finding]], spoken: texts.Texts) -> dict[str, str]:
    """The page of every rule that a scenario makes speak, of the root Task, and of what is said
    about Tasks."""
    made = {rule: page(of_rule, spoken) for rule, of_rule in of_rules.items()}
    example = of_rules["dispense-short"][0]
    return made | {ROOT_RULE: page([fullest_root()], spoken), "phrases": phrases(example, spoken)}


def fullest_root() -> Finding:
    """The root with the most parts of all scenarios."""
    found = [
        root
        for scenario in s.every()
        for root in roots([f for f in scenario.judged().findings if not f.folded_into], ()).values()
    ]
    return max(found, key=lambda root: (root.say["troubles"], root.key))


def phrases(example: Finding, spoken: texts.Texts) -> str:
    """What is said about a Task, around the words of one rule."""
    title = spoken.tell(example, example.owner).title
    lines = [f"# closed: {why}\n\n  {spoken.solved(why, title)}\n" for why in Why]
    for state in ("", "started", "refused", "completed"):
        root = replace(
            example, rule=ROOT_RULE, say={**example.say, "parts": (Part(example, state),)}
        )
        action = spoken.tell(root, Role.COORDINATOR).action
        lines += [f"# in the root: {state or 'nobody has begun'}\n\n  {action}\n"]
    notes = [spoken.gone_note(why) for why in Why if why not in (Why.RETRACTED, Why.DOUBLE)]
    lines += [f"# noted: changed\n\n  {spoken.changed_note(example)}\n"]
    lines += [f"# noted, somebody works on it\n\n  {note}\n" for note in notes]
    lines += ["# reminder\n", f"  {spoken.reminder(example)}\n"]
    for how in ("refused", "unread", "contradicted"):
        lines += [f"# to the coordinator: {how}\n", f"  {spoken.refused(example, how)}\n"]
    too_many = spoken.too_many(example.owner, 50)
    return "\n".join(
        [*lines, "# to the coordinator: too many\n", *(f"  {t}" for t in too_many), ""]
    )


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for rule, text in pages(findings(), english()).items():
        (FOLDER / f"{rule}.txt").write_text(text, encoding="utf-8")
