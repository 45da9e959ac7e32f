"""A configuration becomes a bridge: when `serve` or `worker` starts, and again after SIGHUP."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from fhirbridge import signing, wiring
from fhirbridge.bridge.bridge import Bridge
from fhirbridge.logs import get_logger
from fhirbridge.settings import Misconfigured, Settings
from fhirbridge.store.records import StoreError, Unwritable
from fhirbridge.yamlfile import Invalid

from .common import Wrong, warn, with_servers

log = get_logger("fhirbridge.cli")

_AGAIN = 1.0  # seconds between tries of a database that is not there yet


def wired(found: Settings) -> Bridge:
    """The bridge. A database on another machine may come up after us: it is waited for."""
    while True:
        try:
            return wiring.wire(found)
        except Unwritable as error:
            if found.store.startswith("sqlite"):
                raise  # a file that cannot be opened stays so until somebody mends it
            log.warning("database_awaited", error=error)
            time.sleep(_AGAIN)


def ready(
    found: Settings, no_worker: bool, wire: Callable[[Settings], Bridge]
) -> tuple[Bridge, Callable[[], None] | None]:
    """The bridge of a configuration, and how it wakes workers elsewhere. What `serve` needs besides
    is tried here, too, so that a configuration that cannot be used does not take over."""
    signing.own_tls(found)
    if no_worker and found.broker is None:
        raise Wrong("--no-worker needs `broker: redis://…`, by which workers elsewhere are woken")
    if found.broker is None:
        return wire(found), None
    from fhirbridge.worker import waker

    return wire(found), waker(found)


def again(
    config: Path | None, no_worker: bool
) -> tuple[Settings, Bridge, Callable[[], None] | None] | None:
    """The configuration as it is now, ready to take over; None, and a line in the log, if it
    cannot be used."""
    try:
        found = with_servers(config)
        made, wake = ready(found, no_worker, wiring.wire)
        log.info("configuration_read_again")
        return found, made, wake
    except (Misconfigured, Invalid, Wrong, StoreError) as error:
        log.error("configuration_refused", error=error, next="the old one stays")
        return None


def teller(found: Settings) -> Callable[[str], None]:
    """How sentences to the person are told: among events for machines, as one of them."""
    if found.log == "text":
        return warn
    return lambda words: log.info("service_says", words=words)
