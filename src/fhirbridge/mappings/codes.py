"""What all mapping files share: codes, numbers, and where a fact comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from fhirbridge.core.codes import keys
from fhirbridge.core.facts import Code
from fhirbridge.yamlfile import Strict

SYSTEMS: Mapping[str, str] = {
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ndc": "http://hl7.org/fhir/sid/ndc",
    "hcpcs": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "service-type": "http://terminology.hl7.org/CodeSystem/service-type",
}

#: An exact number above zero: YAML's whole numbers and its numbers with a point.
Number = Annotated[
    Decimal,
    BeforeValidator(
        lambda value: Decimal(value) if isinstance(value, int) and value is not True else value
    ),
    Field(gt=0),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
EMPTY: Any = Field(default_factory=list)


class Known(Strict):
    """Where a fact comes from, and whether somebody looked it up there."""

    source: str
    verified: bool


class AnyCode(Strict):
    system: Literal["rxnorm", "ndc", "hcpcs", "cpt", "loinc", "snomed", "service-type"]
    code: str
    display: str = ""

    def to_core(self) -> Code:
        return Code(SYSTEMS[self.system], self.code, self.display)


class KnownCode(AnyCode, Known):
    @field_validator("code")
    @classmethod
    def _unmistakable(cls, code: str, info: ValidationInfo) -> str:
        if info.data.get("system") == "ndc" and len(keys(Code(SYSTEMS["ndc"], code))) != 1:
            raise ValueError("an NDC is written with hyphens, or with 11 digits")
        return code


def to_codes(codes: Iterable[AnyCode]) -> tuple[Code, ...]:
    return tuple(code.to_core() for code in codes)


def lower(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(word.lower() for word in words)
