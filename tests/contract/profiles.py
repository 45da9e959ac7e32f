"""Where the servers that the suite runs against differ from HAPI, each with its reason.

The suite says what HAPI 8.8.0 does. A difference here is one that the bridge must live with.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """What a make of server does; the defaults are HAPI's."""

    name: str
    stale_if_match: int = 409  # FHIR says 412; HAPI throws a version conflict
    absent_reference: int = 400
    absolute_reference: int = 400
    wrong_target: int = 422
    unknown_type: int = 404
    unknown_parameter: int = 400
    keeps_decimals: bool = True
    strips_versions: bool = True
    include_limit: int | None = 1000  # for each parameter, silently
    longest_page: int | None = 50
    no_store_cuts: bool = True
    codes: bool = True  # HAPI-nnnn in diagnostics
    repeats_bad_answers: bool = True  # 2xx with JSON that is no FHIR
    refuses_referenced_delete: bool = True
    patience: float = 5.0  # seconds until something asynchronous must have happened
    quiet: float = 0.5  # seconds after which something asynchronous would have happened


SANDBOX = Profile("sandbox")
HAPI = Profile("hapi", patience=40.0, quiet=8.0)
SEKMET = Profile("sekmet", patience=20.0, quiet=2.0)

PROFILES = {profile.name: profile for profile in (SANDBOX, HAPI, SEKMET)}
