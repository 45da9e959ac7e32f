"""Which records of a server are meant: all of them, or on a server of everybody's those with a tag.

There, a stranger's record is neither searched for nor, should it come along, looked at. What we
wrote ourselves carries our own tag, and is meant too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .chart import PATIENT_PARAMETER
from .ours import TAG, is_tagged


@dataclass(frozen=True, slots=True)
class Only:
    """`tag` as `system|code`; None: every record is meant."""

    tag: str | None = None

    def of(self, type_: str) -> str | None:
        """The tag by which the records of a type are searched: Tasks by our own."""
        if self.tag is None or type_ != "Task":
            return self.tag
        return f"{TAG['system']}|{TAG['code']}"

    def query(self, type_: str) -> dict[str, str]:
        """The same as search parameters."""
        tag = self.of(type_)
        return {} if tag is None else {"_tag": tag}

    def means(self, resource: Mapping[str, Any]) -> bool:
        if self.tag is None:
            return True
        system, _, code = self.tag.partition("|")
        return is_tagged(resource, system, code) or is_tagged(resource, TAG["system"], TAG["code"])

    def kept(self, resources: Collection[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
        """Without strangers' records of a patient; what those only point to stays."""
        return tuple(
            each
            for each in resources
            if each.get("resourceType") not in PATIENT_PARAMETER or self.means(each)
        )


EVERYTHING = Only()
