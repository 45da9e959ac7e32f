"""What we remember of our Tasks beyond what the worklist shows.

A search finds what stands. A Task that a person deleted is in none, and looks like one that was
never written: by the policy (`core.plan.NEXT`) it would be opened again and again. The audit of
the store knows better. It is asked once for each decision, about the troubles as they stand.

Without the store's memory (a new installation beside old Tasks, a store that was lost) a deleted
Task is unknown and its trouble is told once more; from then on it is remembered. What the
worklist shows and the audit lacks (the receipt was lost with the worker) is put into it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from fhirbridge.core.facts import Ref
from fhirbridge.core.findings import Finding
from fhirbridge.core.plan import Do, Said, Told
from fhirbridge.core.roots import ROOT_RULE, root_key
from fhirbridge.store.records import Written

#: The keys of troubles -> the last that we wrote into a Task about each, as far as is known.
Recall = Callable[[Collection[str]], Mapping[str, Written]]

#: The action in the audit of a Task that was read, and of whose writing nothing was known.
FOUND = "found"


def nothing(_keys: Collection[str]) -> Mapping[str, Written]:
    """The memory of one who has none."""
    return {}


def complete(
    said: Iterable[Said], findings: Iterable[Finding], recall: Recall
) -> tuple[tuple[Said, ...], tuple[Written, ...]]:
    """What the worklist shows of our Tasks, completed by those that are gone from it; and, for
    the audit, those that it shows and of which nothing was known.

    The worklist must have been read completely: what is not among `said` counts as deleted.
    """
    said = tuple(said)
    about: dict[str, tuple[str, str]] = {}  # key -> rule, occasion
    for finding in findings:
        about[finding.key] = finding.rule, finding.occasion
        about[root_key(finding.occasion)] = ROOT_RULE, finding.occasion
    shown: dict[str, Said] = {}
    for each in said:
        if each.key not in shown or each.episode > shown[each.key].episode:
            shown[each.key] = each
    keys = about.keys() | shown.keys()
    known = recall(sorted(keys)) if keys else {}
    gone = tuple(
        _gone(known[key], *what)
        for key, what in sorted(about.items())
        if key in known and known[key].episode > (shown[key].episode if key in shown else 0)
    )
    news = tuple(
        _found(each)
        for key, each in sorted(shown.items())
        if key not in known or known[key].episode < each.episode
    )
    return tuple(_told_apart(said, known)) + gone, news


def _told_apart(said: Collection[Said], known: Mapping[str, Written]) -> Iterator[Said]:
    """Of a Task and its copies, the one that we were told we had created is ours. A Task that
    was found here is no evidence: it may have been the copy."""
    standing = {each.ref.id for each in said}
    for each in said:
        last = known.get(each.key)
        if (
            each.itself is None
            and last is not None
            and last.episode == each.episode
            and last.action != FOUND
            and last.id in standing
        ):
            yield replace(each, itself=each.ref.id == last.id)
        else:
            yield each


def _gone(last: Written, rule: str, occasion: str) -> Said:
    """One that we closed may be tidied away: its trouble can still come back."""
    return Said(
        key=last.key,
        episode=last.episode,
        ref=Ref(last.source, last.type, last.id),
        told=Told.CLOSED_BY_US if last.action == Do.CLOSE else Told.DELETED,
        digest=last.digest,
        rule=rule,
        root=rule == ROOT_RULE,
        occasion=occasion,
    )


def _found(said: Said) -> Written:
    return Written(
        source=said.ref.source,
        type=said.ref.type,
        id=said.ref.id,
        version=None,  # whoever wrote this version: that is not what was found out
        key=said.key,
        digest=said.noted or said.digest,
        action=Do.CLOSE.value if said.told is Told.CLOSED_BY_US else FOUND,
        episode=said.episode,
    )
