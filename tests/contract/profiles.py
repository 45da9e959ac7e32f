"""Where the servers that the suite runs against differ from HAPI.

The suite says what HAPI 8.8.0 does. Each field is a difference that was measured and that the
bridge must live with; the reason stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """What a make of server does; the defaults are HAPI's."""

    name: str
    codes: bool = True  # HAPI-nnnn in diagnostics, HAPI's page links
    # writing
    stale_if_match: int = 409  # FHIR asks for 412; HAPI throws a version conflict
    absent_reference: int = 400  # referential integrity on write
    absolute_reference: int = 400  # external references are off by default
    wrong_target: int = 422
    numeric_ids: int = 400  # ids of the server's own sequence look like that
    skips_unchanged: bool = True  # a PUT that changes nothing makes no version
    keeps_decimals: bool = True  # 300.10 stays 300.10
    keeps_tags: bool = True  # a PUT removes no tag
    strips_versions: bool = True  # /_history/n in references
    refuses_referenced_delete: bool = True
    # reading
    unknown_parameter: int = 400
    history_of_nothing: int = 404
    include_limit: int | None = 1000  # for each parameter, silently
    longest_page: int | None = 50  # whatever _count says
    no_store_cuts: bool = True
    snapshot_pages: bool = True  # what is written later is not on later pages
    # subscriptions
    checks_criteria: bool = True
    lists_of_types: bool = True  # criteria [A,B]
    sends_if_match: bool = True
    tells_deletes: bool = True  # with the extension of the channel
    repeats_bad_bodies: bool = True  # 2xx with JSON that is no FHIR counts as a failure
    unserved_channel: str = "requested"  # the status for ever
    topics: bool = False  # of the backport; HAPI's R4 takes them and never tells
    patience: float = 5.0  # seconds until something asynchronous must have happened


SANDBOX = Profile("sandbox")
HAPI = Profile("hapi", patience=40.0)
SEKMET = Profile(
    "sekmet",
    codes=False,
    stale_if_match=412,
    absent_reference=201,
    absolute_reference=201,
    wrong_target=201,
    numeric_ids=201,
    skips_unchanged=False,  # so our own repeated PUT would echo: compare before writing
    keeps_decimals=False,  # 300.10 comes back as 300.1
    keeps_tags=False,
    strips_versions=False,
    refuses_referenced_delete=False,
    unknown_parameter=200,  # ignored, with a warning as an entry of mode outcome
    history_of_nothing=200,
    include_limit=None,
    longest_page=None,
    no_store_cuts=False,
    snapshot_pages=False,  # pages are offsets: a row written meanwhile shows, or shifts others
    checks_criteria=False,
    lists_of_types=False,
    sends_if_match=False,
    tells_deletes=False,
    repeats_bad_bodies=False,
    unserved_channel="error",
    topics=True,
    patience=20.0,
)

PROFILES = {profile.name: profile for profile in (SANDBOX, HAPI, SEKMET)}
