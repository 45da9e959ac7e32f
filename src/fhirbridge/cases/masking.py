"""Records masked: by the list of `allowed`, names by `pseudonyms`, texts by `vocabulary`.

What is of the wrong shape stays of the wrong shape, and what nobody knows is still there as
something that nobody knows: a reader has the same trouble with it as before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from functools import cached_property
from typing import Any
from zoneinfo import available_timezones

from fhirbridge.core.roots import GONE
from fhirbridge.fhir import ours
from fhirbridge.fhir.read import OUR_TAG, READERS
from fhirbridge.fhir.read.fields import FIELDS
from fhirbridge.fhir.read.values import tail

from .allowed import CONCEPT, EXTENSIONS, NUMBERED, TYPES, VALUES, Keep, Node
from .naming import Naming
from .pseudonyms import Shift
from .vocabulary import FIXED

Json = dict[str, Any]


@dataclass
class Masker:
    """Masks the records of all sources of a case alike. `zone`: of the source in hand."""

    naming: Naming
    shift: Shift
    zone: tzinfo | None = None

    def record(self, body: Any, zone: tzinfo | None) -> Json | None:
        """A record of a source in this zone; None where nothing of it may stand in a case."""
        self.zone = zone
        found = self._resource(body)
        return found if isinstance(found, dict) else None

    # -- by the list -----------------------------------------------------------------------

    def _resource(self, body: Any) -> Any:
        if not isinstance(body, dict):
            return True
        kind = body.get("resourceType")
        if (
            not isinstance(kind, str)
            or kind not in TYPES
            or (kind == "Task" and not _is_ours(body))
        ):
            return None
        made: Json = {"resourceType": kind, **self._node(TYPES[kind], body)}
        if kind in READERS:
            if any(not key.startswith("_") for key in body.keys() - FIELDS[kind]):
                made["unknownElement"] = True
            if kind == "Observation":
                self._valued(body, made)
        return made

    def _valued(self, body: Json, made: Json) -> None:
        """That there is a value, not which: it is a finding of a laboratory."""
        if "hasMember" in body or any(key.startswith("value") for key in body):
            made["valueBoolean"] = True
        parts, kept = body.get("component"), made.get("component")
        if isinstance(parts, list) and isinstance(kept, list):
            for part, own in zip(parts, kept, strict=False):
                if isinstance(part, dict) and any(key.startswith("value") for key in part):
                    own["valueBoolean"] = True

    def _node(self, rules: Node, node: Json) -> Json:
        made = {}
        for key, rule in rules.items():
            if key in node and (kept := self._value(rule, node[key])) is not None:
                made[key] = kept
        return made

    def _value(self, rule: Any, value: Any) -> Any:
        if value is None:
            return None
        if rule == Keep.PRESENT:
            return "x" if value else None
        if isinstance(value, list):
            kept = [self._value(rule, each) for each in value]
            return [each for each in kept if each is not None]
        if isinstance(rule, Mapping):
            return self._node(rule, value) if isinstance(value, dict) else "x"
        return self._leaf[rule](value)

    @cached_property
    def _leaf(self) -> Mapping[Keep, Callable[[Any], Any]]:
        return {
            Keep.ID: self.naming.id,
            Keep.VERSION: self.naming.version,
            Keep.NUMBER_NAME: self.naming.number,
            Keep.WORD: self._word,
            Keep.FLAG: lambda value: value if isinstance(value, bool) else "x",
            Keep.NUMBER: self._count,
            Keep.TEXT: self.naming.text,
            Keep.TIME: lambda v: self.shift.time(v, self.zone) if isinstance(v, str) else True,
            Keep.BIRTH: lambda v: self.shift.birth(v) if isinstance(v, str) else True,
            Keep.CODING: self._coding,
            Keep.IDENTIFIER: self._identifier,
            Keep.QUANTITY: self._quantity,
            Keep.REFERENCE: self._reference,
            Keep.EXTENSION: self._extension,
            Keep.MODIFIER: lambda v: self._extension(v) or {"url": "urn:case:modifier"},
            Keep.META: self._meta,
            Keep.RESOURCE: self._resource,
            Keep.INPUT: self._input,
        }

    def _word(self, value: Any) -> Any:
        if not isinstance(value, str):
            return True
        word = value.strip()
        known = not word or word in FIXED or word in available_timezones()
        return word if known else "unrecognized"

    def _count(self, value: Any) -> Any:
        if isinstance(value, int | float | Decimal):  # a truth value is an int, and stays wrong
            return value
        return self.naming.text(value) if isinstance(value, str) else "x"

    def _coding(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return "x"
        system, code = self.naming.code(value.get("system", ""), value.get("code"))
        made = {"system": system, "code": code}
        if "display" in value:
            made["display"] = self.naming.text(value["display"])
        return {key: each for key, each in made.items() if each not in (None, "")}

    def _identifier(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return "x"
        rules = {"system": self.naming.system, "value": self.naming.number, "use": self._word}
        return {key: rule(value[key]) for key, rule in rules.items() if value.get(key) is not None}

    def _quantity(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return self._count(value)
        made = {
            key: value[key]
            for key in ("value", "comparator", "unit", "code", "system")
            if value.get(key) is not None
        }
        if "value" in made:
            made["value"] = self._count(made["value"])
        if "comparator" in made and made["comparator"] not in ("<", "<=", ">=", ">", "ad"):
            made["comparator"] = "?"
        for key in ("unit", "code"):
            unit = made.get(key)
            if key in made and not (isinstance(unit, str) and self.naming.vocabulary.is_unit(unit)):
                made[key] = self.naming.text(unit)
        if "system" in made:
            made["system"] = self.naming.code(made["system"], "")[0]
        return made

    def _reference(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return "x"
        made: Json = {}
        if value.get("reference") is not None:
            text = value["reference"]
            made["reference"] = (
                self.naming.reference(text.strip()) if isinstance(text, str) else True
            )
        kind = value.get("type")
        if isinstance(kind, str) and kind in TYPES:
            made["type"] = kind
        for key, rule in (
            ("identifier", Keep.IDENTIFIER),
            ("display", Keep.TEXT),
            ("extension", Keep.EXTENSION),
        ):
            if value.get(key) is not None:
                made[key] = self._value(rule, value[key])
        return made

    def _extension(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return "x"
        name, url = tail(value), str(value.get("url"))
        if name not in EXTENSIONS:
            return None
        public = "/" not in url or url.startswith("http://hl7.org/")
        made: Json = {"url": url if public else f"urn:case:/{name}"}
        made |= self._node(VALUES, value)
        if "extension" in value:
            made["extension"] = self._value(Keep.EXTENSION, value["extension"])
        if "valueString" in value:
            said = value["valueString"]
            codes = name in ("code", "reviewActionCode")
            if name in NUMBERED:
                made["valueString"] = self.naming.number(said)
            else:
                made["valueString"] = self._word(said) if codes else self.naming.text(said)
        return made

    def _meta(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return "x"
        rules = {"versionId": Keep.VERSION, "lastUpdated": Keep.TIME}
        made = self._node(rules, value)
        if _is_ours({"meta": value}):
            made["tag"] = [ours.TAG]
        return made

    def _input(self, value: Any) -> Any:
        """An input or output of a Task of ours: what we must remember, and answers of people."""
        if not isinstance(value, dict):
            return None
        mine, theirs = ours.code_of(value.get("type"), ours.INPUT), "valueString" in value
        made: Json = {"type": self._node(CONCEPT, value.get("type") or {})}
        if mine in (ours.DIGEST, ours.NOTED, ours.QUESTION):
            said = value.get("valueString")
            made["valueString"] = said if said == GONE else self.naming.number(said)
        elif mine == ours.SELF:
            made["valueString"] = self.naming.id(value.get("valueString"))
        elif mine is not None and mine != ours.CHOICE:
            return None
        else:
            for key, rule in (
                ("valueCoding", Keep.CODING),
                ("valueCodeableConcept", CONCEPT),
                ("valueCode", Keep.TEXT),
            ):
                if key in value:
                    made[key] = self._value(rule, value[key])
            if theirs:
                made["valueString"] = self.naming.text(value["valueString"])
        return made


def _is_ours(body: Json) -> bool:
    meta = body.get("meta")
    system, code = OUR_TAG
    return any(
        tag.get("system") == system and tag.get("code") == code for tag in ours.items(meta, "tag")
    )
