"""Where nobody speaks FHIR at an address: does somebody near it?"""

from __future__ import annotations

from urllib.parse import urlsplit

from fhirbridge import signing
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.errors import FhirError, Forbidden, Rejected, Unavailable
from fhirbridge.settings import Settings

#: Where servers usually keep their FHIR address, for a base_url that leads beside it.
_USUAL = ("fhir", "fhir/R4", "baseR4", "R4", "api/FHIR/R4", "hapi-fhir-jpaserver/fhir")
_NEAR_BY = 15.0  # seconds; a busy HAPI takes some for its CapabilityStatement, others answer 404


def elsewhere(name: str, base_url: str, found: Settings, error: FhirError) -> str:
    """A remedy for such an address: the one that was meant, if it is found."""
    parts = urlsplit(base_url)
    other = {"http": "https", "https": "http"}[parts.scheme]
    near = [f"{other}{base_url.removeprefix(parts.scheme)}"]
    if error.status is not None or isinstance(error, Rejected | Forbidden):
        roots = dict.fromkeys([base_url, f"{parts.scheme}://{parts.netloc}"])
        near = [f"{root}/{way}" for root in roots for way in _USUAL]
    elif not _is_torn(error):
        near = []  # nobody answers there, or not in time: not at another path, either
    for address in near:
        if address != base_url and _speaks(name, address, found):
            return f"did you mean base_url {address}?"
    if isinstance(error, Unavailable) and error.status is not None:
        return f"if it stays so, its own log says why; check base_url ({base_url}), too"
    return f"check base_url ({base_url})"


def _is_torn(error: FhirError) -> bool:
    """Somebody is there and speaks another protocol: https where we speak http, or the reverse."""
    return "no TLS" in error.why or "broke off" in error.why


def _speaks(name: str, address: str, found: Settings) -> bool:
    server = Server(
        name, address, retries=0, timeout=_NEAR_BY, tls=signing.trust(name, found.servers[name])
    )
    try:
        return server.capabilities().get("resourceType") == "CapabilityStatement"
    except FhirError:
        return False
    finally:
        server.close()
