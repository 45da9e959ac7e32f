"""The websocket of R4 Subscriptions: `bind ID`, `bound ID`, `ping ID`. The only user of websockets.

A ping says that something changed that the Subscription is about, not what; nothing is kept for
those who are not connected (R4 subscription §2.46.7). So whoever listens reads what changed after
each ping, and once after each `bound`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

logging.getLogger("websockets").setLevel(logging.WARNING)  # it logs headers and messages

_LOOK = 1.0  # seconds between looks at whether to stop
_LARGEST = 2**16  # bytes of a message; ours are some tens


class Dropped(Exception):
    """The connection could not be made, or is gone. The message says why, and no header."""


def listen(
    url: str,
    id_: str,
    *,
    headers: Mapping[str, str],
    bound: Callable[[], None],
    ping: Callable[[], None],
    stopped: Callable[[], bool],
) -> None:
    """Listen to one Subscription until `stopped`. Raises `Dropped`."""
    try:
        with connect(
            url,
            additional_headers=dict(headers),
            max_size=_LARGEST,
            proxy=None if _is_loopback(url) else True,
        ) as socket:
            socket.send(f"bind {id_}")
            while not stopped():
                try:
                    said = socket.recv(timeout=_LOOK)
                except TimeoutError:
                    continue
                if said == f"bound {id_}":
                    bound()
                elif said == f"ping {id_}":
                    ping()
    except ConnectionClosed as error:
        code = error.rcvd.code if error.rcvd else "without a word"
        raise Dropped(f"the websocket was closed ({code})") from None
    except TimeoutError:
        raise Dropped("the websocket does not answer") from None
    except (WebSocketException, OSError, ValueError) as error:
        raise Dropped(f"the websocket cannot be opened ({type(error).__name__})") from None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
