"""The last look at what leaves the house: is it FHIR?

The only module that knows fhir.resources. It has no R4 package; of the resources that we write
(Task, Communication, Provenance) R4B is the same. It is imported when first needed: commands
that write nothing should not pay the quarter of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from .errors import Rejected


def check(resource: Mapping[str, Any], server: str) -> None:
    """Raise `Rejected` for a resource that is not FHIR; the message names places, not values."""
    from fhir.resources.R4B import get_fhir_model_class

    type_ = str(resource.get("resourceType"))
    try:
        get_fhir_model_class(type_).model_validate(resource)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        places = sorted({".".join(map(str, each["loc"])) for each in details})
        why = f"what we would write is no valid {type_} at {', '.join(places) or 'all'}"
        raise Rejected(server, "check before writing", why) from None
