"""Units as people and systems really write them, read as one of a few kinds.

    read(amount) -> Unit | None     None: unknown, or the coded and the written unit disagree

UCUM is case-sensitive and its users are not: `MG` is megagauss and `ML` a megaliter, but on an
order they are milligrams and milliliters written in capitals, so the table is read without
case. A unit that has no kind here is never guessed.

Annotations such as `{vial}` are dimensionless in UCUM: they count packages, and become a mass
only where the product is known (`formulary.measure`). `U` and `[iU]` are arbitrary units of
biological activity: they never become a mass. A drug that is dosed in IU is measured in them.

NCPDP and X12 qualifiers of amounts of an NDC: ML, GM and GR (gram), ME (milligram), EA (each),
UN (unit: of the package beside an NDC, of the HCPCS code beside one), F2 (international unit).
Source: NDC unit of measure, T-MSIS data dictionary at resdac.org. `GR` is read in capitals only:
a `gr` on an order is a grain.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .quantity import Amount


@dataclass(frozen=True, slots=True)
class Unit:
    """`kind`: mass · volume · package · kit · count · billing · activity · by-weight ·
    visit · none.

    `factor` leads to mg (mass), IU (activity), either for each kg (by weight; `word` says IU) or
    mL (volume). `word` is the package (vial, pen …) of kind package. `kit` is a box of packages
    or a kit; `count` is EA, which may be either. `billing` is a word such as "units", whose meaning
    only a code gives; its `word` is "un" where it may also count packages.
    """

    kind: str
    factor: Decimal = Decimal(1)
    word: str = ""


def _table() -> dict[str, Unit]:  # pragma: no mutate block, runs at import
    rows: tuple[tuple[Unit, str], ...] = (
        (Unit("mass"), "mg mgs milligram milligrams milligramme milligrammes mgm ME c28253"),
        (Unit("mass", Decimal(1000)), "g gm gms GR gram grams gramme grammes c48155"),
        (Unit("mass", Decimal("0.001")), "ug mcg µg μg mcgs ugs microgram micrograms c48152"),
        (Unit("mass", Decimal(1000000)), "kg kgs kilogram kilograms"),
        (Unit("volume"), "ml mls milliliter milliliters millilitre millilitres cc ccs c28254"),
        (Unit("volume", Decimal(1000)), "l liter liters litre litres"),
        (Unit("package", word="vial"), "vial vials vl sdv single-dose-vial c48551"),
        (Unit("package", word="bag"), "bag bags infusion-bag infusion-bags premix"),
        (Unit("package", word="pen"), "pen pens autoinjector autoinjectors auto-injector"),
        (Unit("package", word="pen"), "auto-injectors prefilled-pen prefilled-pens pre-filled-pen"),
        (Unit("package", word="syringe"), "syringe syringes syr pfs prefilled-syringe"),
        (Unit("package", word="syringe"), "prefilled-syringes pre-filled-syringe"),
        (Unit("kit", word="kit"), "kit kits"),
        (Unit("kit", word="carton"), "carton cartons box boxes ctn"),
        (Unit("count"), "each ea eaches package packages pkg c64933"),
        (Unit("billing"), "unit units hcpcs-unit hcpcs-units billing-unit billing-units"),
        (Unit("billing", word="un"), "un"),
        (Unit("activity"), "iu ius i.u u [iu] [u] f2 international-unit international-units"),
        (Unit("activity"), "[usp'u] usp-unit usp-units [arb'u] ie intl-unit intl-units"),
        (Unit("activity", Decimal(1000)), "kiu k[iu] ku k[u] 10*3.[iu] thousand-units"),
        (Unit("activity", Decimal(1000000)), "10*6.[iu] million-units million-iu mio-ie"),
        (Unit("by-weight", word="IU"), "iu/kg [iu]/kg u/kg units/kg unit/kg ius/kg {units}/kg"),
        (Unit("by-weight"), "mg/kg mgs/kg mg/kg/dose mg/kg/{dose} milligram/kilogram"),
        (Unit("by-weight", Decimal(1000)), "g/kg gm/kg grams/kg g/kg/dose"),
        (Unit("visit"), "visit visits vs"),
        (Unit("none"), "1 c38046 unspecified"),
    )
    return {word: unit for unit, words in rows for word in words.split()}


_UNITS = _table()
_NONE = _UNITS["1"]
#: Said with the unit, and no part of it: "milliliter (iso1000)" (Cerner Millennium).
_NOISE = " (iso1000)"


def read(amount: Amount) -> Unit | None:
    """The unit of an amount; kind "none" where there is none.

    The coded unit counts where it is known, else the written one. Where both are known and are
    not the same, neither is believed (docs/domain.md 1.2: a unit that conflicts), unless one only
    names the other more closely: 2 "vials" coded as EA. A dimensionless code ("1", Unspecified)
    says nothing, so the written word counts.
    """
    coded, written = word(amount.code), word(amount.unit)
    if coded is None or written is None:
        # One of them is unknown: with the other silent too, nothing is known.
        known = coded or written
        return None if known is None or known.kind == "none" else known
    if coded.kind == "none":
        return written
    if written.kind == "none" or coded == written:
        return coded
    return _named(coded, written) or _named(written, coded)


def _named(wide: Unit, narrow: Unit) -> Unit | None:
    """The narrower of two units that fit: EA names no package, "vial" does; UN is a unit."""
    fits = wide.kind == "count" and narrow.kind in ("package", "kit")
    return narrow if fits or (wide.kind == narrow.kind == "billing" and narrow.word) else None


def word(text: str) -> Unit | None:
    """One unit as it is written; kind "none" for no text at all."""
    if not text:
        return _NONE
    unit = _UNITS.get(text)
    if unit is None:
        bare = text.strip().lower().removesuffix(_NOISE).removesuffix(".").replace(" ", "-")
        if bare.startswith("{") and bare.endswith("}"):
            bare = bare[1:-1]
        unit = _UNITS.get(bare.replace("(s)", "s"))
    return unit
