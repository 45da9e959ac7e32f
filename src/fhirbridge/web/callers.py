"""Who calls: a program of this machine, or somebody elsewhere; and how often one may guess.

A proxy on this machine makes every caller look near. So a caller counts as near only if the
connection, the name that was asked for and the absence of a proxy's headers all say so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from typing import Any

from starlette.types import Scope

from fhirbridge.limits import Limit
from fhirbridge.settings import is_loopback, is_this_machine

#: What proxies add. Who calls from this machine sends none of them.
_FORWARDED = frozenset(
    {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"}
)
#: Wrong tries of one address, or against one Subscription: so many at once, and a second.
_BURST, _A_SECOND = 30, 0.5


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers of a request, names in lower case."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


def is_near(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Is the caller surely a program of this machine?"""
    return (
        is_this_machine(_address(scope))
        and is_loopback(f"http://{headers.get('host', '')}")
        and not _FORWARDED & headers.keys()
    )


class Guesses:
    """Counts wrong keys, secrets and tokens by the address that they came from, and by what they
    were tried on. A right one is never counted and never refused: whoever has it is no guesser,
    though a guesser may sit at the same address.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._limit = Limit(burst=_BURST, a_second=_A_SECOND, clock=clock)

    def wrong(self, scope: Scope, tried: str = "") -> int:
        """Counts a wrong try; 0: as often as anybody errs, else seconds to wait (Retry-After)."""
        waits = [self._limit.take(f"from {_network(_address(scope))}")]
        if tried:
            waits.append(self._limit.take(f"at {tried}"))
        return math.ceil(max(waits))


def _address(scope: Scope) -> str:
    client: Any = scope.get("client")
    return str(client[0]) if client else ""


def _network(address: str) -> str:
    """An IPv6 caller has a whole /64 to call from."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and not parsed.ipv4_mapped:
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return address
