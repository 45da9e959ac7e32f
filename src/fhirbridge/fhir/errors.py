"""What a FHIR server's refusal means, named by what to do next.

`Unavailable` retry later · `Conflict` read again and decide again · `Rejected` set aside, a
person looks · `Forbidden` stop this source until its sign-in is mended · `Gone` the record was
deleted. `judge` sorts one HTTP answer into these; it is pure, the client calls it.

Messages hold the server's name, the operation, the HTTP status and codes (HAPI-nnnn, FHIR
issue types). Never a body, a search value or diagnostics text: those name patients.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_HAPI_CODE = re.compile(r"HAPI-\d{4}")
_ISSUE_CODE = re.compile(r"[a-z][a-z-]{1,40}")

# HAPI refuses a kind of Subscription for good with 412 (seen on hapi.fhir.org): not a conflict.
_REFUSED_SUBSCRIPTION = "HAPI-2672"
# HAPI's "resource version conflict", which concurrent writes also report as a 500
# (docs/servers.md 2).
_VERSION_CONFLICT = "HAPI-0550"

_REMEDIES = {
    301: "it redirects: put the final address into base_url",
    400: "the server does not take this request; `fhirbridge doctor` shows what it can do",
    401: "sign-in is missing, wrong or expired: check auth of this server in the configuration",
    403: "signed in, but not allowed: check the scopes granted to us (a public test server"
    " refuses every Authorization header: use auth none)",
    404: "the server does not know this address: check base_url and the resource type",
    407: "the proxy of $HTTPS_PROXY wants to know who we are: give user and password in its"
    " address, or name the server in $NO_PROXY",
    413: "too large for the server: check the request size that it or a proxy allows",
}


class FhirError(Exception):
    """A FHIR server did not do what was asked. `codes` are HAPI-nnnn and issue types.

    `writing`: it was asked to take a person's transaction.
    """

    writing = False

    def __init__(
        self,
        server: str,
        operation: str,
        why: str,
        *,
        status: int | None = None,
        codes: tuple[str, ...] = (),
    ) -> None:
        self.server, self.operation, self.why = server, operation, why
        self.status, self.codes = status, codes
        said = ", ".join([*([str(status)] if status else []), *codes])
        super().__init__(f"{server}: {operation}: {said + ': ' if said else ''}{why}")


class Unavailable(FhirError):
    """The server cannot answer now: try again, not before `retry_after` seconds if given."""

    retry_after: float | None = None


class Conflict(FhirError):
    """Somebody was there first (409, 412): read again and decide again."""


class Rejected(FhirError):
    """The server will not take this however often it is sent: set it aside for a person."""


class Forbidden(FhirError):
    """401 or 403: stop using this source until its sign-in or its scopes are mended."""


class Gone(FhirError):
    """410: the record was there and was deleted."""


def judge(
    server: str, operation: str, status: int, body: Any, *, retry_after: float | None = None
) -> FhirError:
    """The error for an answer that is not 2xx. `body`: the parsed JSON, or None if it is none."""
    codes = outcome_codes(body)
    kind: type[FhirError]
    if status in (401, 403):
        kind = Forbidden
    elif status == 410:
        kind = Gone
    elif _VERSION_CONFLICT in codes or (
        status in (409, 412) and _REFUSED_SUBSCRIPTION not in codes
    ):
        kind = Conflict
    elif status in (408, 425, 429) or (status >= 500 and status not in (501, 505)):
        kind = Unavailable
    else:
        kind = Rejected
    error = kind(server, operation, _remedy(kind, status), status=status, codes=codes)
    if isinstance(error, Unavailable):
        error.retry_after = retry_after
    return error


def outcome_codes(body: Any) -> tuple[str, ...]:
    """The codes of an OperationOutcome, without its texts: ("HAPI-0550", "conflict")."""
    issues = body.get("issue") if isinstance(body, Mapping) else None
    found: dict[str, None] = {}
    for issue in issues if isinstance(issues, list) else []:
        if not isinstance(issue, Mapping):
            continue
        diagnostics, code = issue.get("diagnostics"), issue.get("code")
        if isinstance(diagnostics, str):
            found.update(dict.fromkeys(_HAPI_CODE.findall(diagnostics)))
        if isinstance(code, str) and _ISSUE_CODE.fullmatch(code):
            found[code] = None
    return tuple(sorted(found)[:6])


def _remedy(kind: type[FhirError], status: int) -> str:
    if 300 <= status < 400:
        return _REMEDIES[301]
    if kind is Conflict:
        return "changed by somebody else meanwhile: read again"
    if kind is Unavailable:
        return "too busy or down: tried again later"
    if kind is Gone:
        return "deleted on the server"
    return _REMEDIES.get(status, "refused: see the server's own log for the reason")
