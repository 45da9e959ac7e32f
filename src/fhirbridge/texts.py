"""The sentences of findings: templates in `mappings/tasks/<language>/`, one file for each rule.

A template says four things, in this order: `title` (a few words), `summary` (what is wrong, with
both figures and their units), `action` (what to do, by when), `known` (how we know). Each is a
list of sentences. A sentence is one text, or a list of ways to say it, of which the first whose
values are all known is taken; a sentence without such a way is left out. So no text ever says
"None", and `load` refuses a template that could end up without title, summary or action.

    "{dispensed} of {drug} dispensed, {ordered_total} ordered for {day}."
    "{ordered_visits:visit|visits}"     1 visit · 2 visits
    "{readings:or}"                     a, b or c

A placeholder is a name out of `NAMES` and no more: templates hold no code. How dates, lists and
known words (roles, classes of premedication) are put stands in `words.yaml` of the language.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from string import Formatter
from typing import Annotated

from pydantic import Field

from . import yamlfile
from .core.findings import Finding, Role
from .core.quantity import Quantity
from .core.roots import Part
from .yamlfile import Invalid, Strict, Where

#: What a rule may say (`Finding.say`). Only drug and owner can be relied upon.
NAMES = frozenset(
    # every rule (`core.rules.base.common_words`), and whom the Task is for
    {"owner"}
    | {"drug", "day", "due", "ordered", "ordered_visits", "ordered_total"}
    | {"authorized", "authorized_visits", "authorized_total", "admin_visits"}
    | {"dispensed", "given", "decision", "numbers", "steps"}
    # some rules
    | {"missing", "packages", "available", "short", "each", "classes"}
    | {"side", "reference", "answer", "until", "begins"}
    | {"column", "said", "readings", "record", "role", "rules"}
    | {"place", "approved_place", "ordered_place", "sent_place", "product", "excess", "expected"}
    | {"brand", "supplied_brand"}
    | {"allowed_visits", "asked_visits", "booked_visits", "left_visits", "need_visits"}
    | {"used_visits", "booked_minutes", "needed_minutes", "called_off", "was_due", "last_dose"}
    | {"visit_day"}
    | {"earliest", "days", "other_order", "usual", "lacks", "former_payer", "present_payer"}
    | {"program", "enrolled", "issued", "asked", "source", "kinds", "silent_since"}
    # the root
    | {"troubles", "parts", "hidden"}
)
ALWAYS = frozenset({"drug", "owner"})

Sentence = str | list[str]
_WORDS = "words.yaml"
_PARTS = ("title", "summary", "action", "known")


@dataclass(frozen=True, slots=True)
class Text:
    """What is said about one trouble to one audience."""

    title: str
    summary: str
    action: str
    known: str = ""

    @property
    def text(self) -> str:
        """Everything that matters, as complete sentences: screens drop the rest."""
        return " ".join(part for part in (self.summary, self.action, self.known) if part)


class Parts(Strict):
    """Sentences that replace those of the same part in the template."""

    title: list[Sentence] | None = None
    summary: list[Sentence] | None = None
    action: list[Sentence] | None = None
    known: list[Sentence] | None = None


class Template(Strict):
    """One file: what a rule says. `variants` replace parts of it; for those who are told, and not
    asked to put it right, `others` do so, and before them `audiences`."""

    title: list[Sentence]
    summary: list[Sentence]
    action: list[Sentence]
    known: list[Sentence] = Field(default=[])
    variants: dict[str, Parts] = Field(default={})
    others: Parts | None = None
    audiences: dict[Annotated[Role, Field(strict=False)], Parts] = Field(default={})

    def sentences(self, part: str, finding: Finding, audience: Role) -> list[Sentence]:
        """The sentences of a part for a finding, as this audience shall read them."""
        told = audience is not finding.owner
        ways = (self.audiences.get(audience), self.others) if told else ()
        for special in (*ways, self.variants.get(finding.variant)):
            found: list[Sentence] | None = getattr(special, part) if special else None
            if found is not None:
                return found
        plain: list[Sentence] = getattr(self, part)
        return plain


class Phrases(Strict):
    """What is said about a Task of ours itself, whatever its rule."""

    solved: str  # {title}
    given: str  # {title}
    withdrawn: str  # {title}
    folded: str  # {title}
    retracted: str  # {title}
    double: str  # {title}
    changed_note: str  # {text}
    solved_note: str
    given_note: str
    withdrawn_note: str
    folded_note: str
    refused: str  # {owner}, {text}
    unread: str  # {owner}, {text}
    contradicted: str  # {owner}, {text}
    reminder: str  # {text}
    choices: str  # {choices}
    too_many_title: str  # {owner}
    too_many: str  # {owner}, {most}


class Words(Strict):
    """How a language puts dates, lists and known words."""

    months: list[str] = Field(min_length=12, max_length=12)
    weekdays: list[str] = Field(min_length=7, max_length=7)
    day: str  # of {day} {month} {year} {weekday}
    moment: str  # a moment that is a whole day
    hour: str  # a moment with a time of day: {hour} {minute} {half} as well
    either: str  # between choices
    part: str  # of the root Task: {owner} {summary} {action}
    part_started: str  # … whose owner has begun
    part_refused: str  # … or declined it
    part_completed: str  # … or closed it, though the records are the same
    names: dict[str, str] = Field(default={})
    phrases: Phrases


class Texts:
    """The templates of one language."""

    def __init__(self, templates: Mapping[str, Template], words: Words) -> None:
        self.templates = dict(templates)
        self.words = words

    def tell(self, finding: Finding, audience: Role) -> Text:
        """What `finding` says to `audience`. KeyError when its rule has no template."""
        template = self.templates[finding.rule]
        say = {**finding.say, "owner": finding.owner.value}

        def said(part: str) -> str:
            sentences = template.sentences(part, finding, audience)
            ways = (self._first_known(sentence, say) for sentence in sentences)
            return " ".join(_capital(way) for way in ways if way)

        return Text(*map(said, _PARTS))

    def solved(self, why: str, title: str) -> str:
        """The all-clear for a Task with this title; `why` is a `core.plan.Why`."""
        phrase: str = getattr(self.words.phrases, why)
        return phrase.format(title=title)

    def changed_note(self, finding: Finding) -> str:
        """For a person who works on a Task whose figures changed."""
        return self.words.phrases.changed_note.format(text=self.tell(finding, finding.owner).text)

    def gone_note(self, why: str) -> str:
        """For a person who works on a Task whose trouble is gone; `why` as in `solved`."""
        phrase: str = getattr(self.words.phrases, f"{why}_note")
        return phrase

    def refused(self, finding: Finding, how: str = "refused") -> str:
        """For the coordinator: the owner did not do it. `how`: refused · unread · contradicted."""
        text = self.tell(finding, finding.owner).text
        phrase: str = getattr(self.words.phrases, how)
        return _capital(phrase.format(owner=self.name(finding.owner), text=text))

    def reminder(self, finding: Finding) -> str:
        """For the owner, who has not accepted the Task yet."""
        text = self.tell(finding, finding.owner).text
        return self.words.phrases.reminder.format(text=text)

    def too_many(self, owner: Role, most: int) -> tuple[str, str]:
        """For the coordinator: an owner was given all Tasks of a day. Title and text."""
        phrases, name = self.words.phrases, self.name(owner)
        title, text = phrases.too_many_title, phrases.too_many
        return _capital(title.format(owner=name)), _capital(text.format(owner=name, most=most))

    def asked(self, text: str, choices: Sequence[str]) -> str:
        """A question with what may be answered."""
        quoted = _listed([f"“{each}”" for each in choices], self.words.either)
        return f"{text} {self.words.phrases.choices.format(choices=quoted)}"

    def name(self, word: str) -> str:
        """A role or another known word as it is put inside a sentence."""
        return self.words.names.get(word, word)

    def _first_known(self, sentence: Sentence, say: Mapping[str, object]) -> str | None:
        ways = [sentence] if isinstance(sentence, str) else sentence
        return next((said for way in ways if (said := self._fill(way, say)) is not None), None)

    def _fill(self, way: str, say: Mapping[str, object]) -> str | None:
        """The sentence with its values; None when one of them is not known."""
        out = []
        for literal, name, spec, _ in Formatter().parse(way):
            out.append(literal)
            if name is None:
                continue
            value = say.get(name)
            if value is None or value == "" or value == ():
                return None
            out.append(self._put(value, spec or ""))
        return "".join(out)

    def _put(self, value: object, spec: str) -> str:
        match value:
            case Part():
                return self._part(value)
            case tuple():
                return _listed([self._put(each, "") for each in value], spec)
            case datetime():
                return self._moment(value)
            case date():
                return self.words.day.format(**self._calendar(value))
            case int():
                return _counted(value, spec)
            case Quantity():
                return str(value)
            case _:
                return self._named(str(value))

    def _named(self, word: str) -> str:
        """A known word; a record by what people call it, and its id (`dispense record d-1`)."""
        kind, slash, id_ = word.partition("/")
        return f"{self.name(kind)} {id_}" if slash and kind in self.words.names else self.name(word)

    def _part(self, part: Part) -> str:
        finding, words = part.finding, self.words
        text = self.tell(finding, finding.owner)
        form: str = getattr(words, f"part_{part.state}") if part.state else words.part
        owner = self.name(finding.owner)
        return _capital(form.format(owner=owner, summary=text.summary, action=text.action))

    def _moment(self, moment: datetime) -> str:
        """A whole day where the moment is the end or the beginning of one."""
        whole = (moment.hour, moment.minute) in ((0, 0), (23, 59))
        form = self.words.moment if whole else self.words.hour
        return form.format(
            **self._calendar(moment),
            hour=moment.hour % 12 or 12,
            hour24=moment.hour,
            minute=f"{moment.minute:02}",
            half="AM" if moment.hour < 12 else "PM",
        )

    def _calendar(self, day: date) -> dict[str, object]:
        return {
            "day": day.day,
            "month": self.words.months[day.month - 1],
            "year": day.year,
            "weekday": self.words.weekdays[day.weekday()],
        }


def load(folders: Iterable[Path]) -> Texts:
    """The texts of a language out of `…/tasks/<language>` folders; a later one replaces files.

    Raises `Invalid` (file and line) for a template that is broken or could stay without words,
    FileNotFoundError when no folder has `words.yaml`.
    """
    files = {path.name: path for folder in folders for path in sorted(folder.glob("*.yaml"))}
    if _WORDS not in files:
        raise FileNotFoundError(f"no {_WORDS} among the Task templates: check `mappings`")
    words = yamlfile.read_model(files.pop(_WORDS), Words)
    templates = {}
    for path in files.values():
        node = yamlfile.load(path)
        templates[path.stem] = template = yamlfile.validate(node, Template)
        problems = [Invalid(path, node.line(at), why) for at, why in _problems(template)]
        if problems:
            raise Invalid(path, problems[0].line, problems[0].message, tuple(problems[1:]))
    return Texts(templates, words)


def _problems(template: Template) -> Iterator[tuple[Where, str]]:
    """What could make a text wrong or empty: where in the file, and what to do about it."""
    places: list[tuple[Where, Template | Parts]] = [((), template)]
    places += [(("variants", name), parts) for name, parts in template.variants.items()]
    places += [(("others",), template.others)] if template.others else []
    places += [(("audiences", role.value), parts) for role, parts in template.audiences.items()]
    for place, parts in places:
        for part in _PARTS:
            for why in _complaints(part, getattr(parts, part)):
                yield (*place, part), why


def _complaints(part: str, sentences: list[Sentence] | None) -> Iterator[str]:
    if sentences is None:
        return
    names = [_names(way) for sentence in sentences for way in _ways(sentence)]
    for name in sorted(frozenset[str]().union(*names) - NAMES):
        yield f"{part}: no rule says {{{name}}}{yamlfile.nearest(name, NAMES)}"
    if (sentences or part != "known") and not any(each <= ALWAYS for each in names):
        yield f"{part}: one sentence must do with {{drug}} alone, for when no more is known"


def _ways(sentence: Sentence) -> list[str]:
    return [sentence] if isinstance(sentence, str) else sentence


def _names(way: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in Formatter().parse(way) if name is not None)


def _counted(number: int, spec: str) -> str:
    """`1 visit`, `2 visits` by `visit|visits`; the bare number without a noun."""
    one, _, many = spec.partition("|")
    noun = one if number == 1 else many or one
    return f"{number} {noun}" if noun else str(number)


def _listed(items: list[str], word: str) -> str:
    """`a, b or c` by `or`; `a; b; c` by `;`; without a word, one after the other."""
    if not word.isalpha():
        return (word if word.isspace() else f"{word} ").join(items)
    head = ", ".join(items[:-1])
    return f"{head} {word} {items[-1]}" if head else items[-1]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
