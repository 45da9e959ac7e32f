"""What an appointment is for: an Appointment carries no drug, so codes and words must say it.

Decided in this order: what the site configured (its locations, its service types); codes of the
shipped list; words. "Pre-infusion labs" are no infusion, though they name one. Where words of both
lists occur, or none, it is unknown: an unknown visit is linked to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .codes import Key, Words, keys
from .facts import Code


@dataclass(frozen=True, slots=True)
class AtSite:
    """What a site adds: service types ("system|code", code or display), Location references."""

    service_type: frozenset[str] = frozenset()
    locations: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Visits:
    """The list of what is an infusion visit, and what surely is none."""

    yes_codes: tuple[Code, ...] = ()
    no_codes: tuple[Code, ...] = ()
    yes_words: tuple[str, ...] = ()
    no_words: tuple[str, ...] = ()
    beside_words: tuple[str, ...] = ()  # they name an infusion, and mean another visit
    sites: Mapping[str, AtSite] = field(default_factory=dict)
    _codes: Mapping[Key, str] = field(init=False, repr=False, compare=False)
    _yes: Words = field(init=False, repr=False, compare=False)
    _no: Words = field(init=False, repr=False, compare=False)
    _beside: Words = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = {key: "no" for code in self.no_codes for key in keys(code)}
        known |= {key: "yes" for code in self.yes_codes for key in keys(code)}
        object.__setattr__(self, "_codes", known)
        object.__setattr__(self, "_yes", Words(self.yes_words))
        object.__setattr__(self, "_no", Words(self.no_words))
        object.__setattr__(self, "_beside", Words(self.beside_words))

    def at(self, source: str, site: AtSite) -> Visits:
        """The same list with what a site adds for one source."""
        return replace(self, sites={**self.sites, source: site})

    def without(self, known: Callable[[str], object]) -> Visits:
        """The same list without the words of other visits that are `known` to be ours."""
        return replace(self, no_words=tuple(word for word in self.no_words if not known(word)))

    def infusion(
        self,
        source: str,
        codes: Sequence[Code],
        text: str,
        location: str | None,
        *,
        infused: bool = False,
    ) -> str:
        """yes · no · unknown. `infused`: the name of an infused drug was found in the words."""
        site = self.sites.get(source)
        if site and (location in site.locations or _configured(site, codes)):
            return "yes"
        coded = {self._codes[key] for code in codes for key in keys(code) if key in self._codes}
        if len(coded) == 1:
            return coded.pop()
        said = " ; ".join((*(code.display for code in codes), text))
        beside = bool(self._beside.found(said))
        yes = bool(self._yes.found(self._beside.without(said) if beside else said))
        if beside and not yes:
            return "no"
        yes, no = yes or infused, bool(self._no.found(said))
        return "unknown" if yes == no else "yes" if yes else "no"


def _configured(site: AtSite, codes: Sequence[Code]) -> bool:
    return any(
        form in site.service_type
        for code in codes
        for form in (f"{code.system}|{code.code}", code.code, code.display)
        if form
    )
