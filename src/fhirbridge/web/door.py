"""The open door: uvicorn in a thread of its own, at a socket that is bound already."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from .bounded import Bounded


class Door:
    """Answers callers at `listening`, which it closes in the end.

    `trusted_proxies`: whose X-Forwarded-For is believed. `tls`: the files of certificate and key;
    None: plain HTTP.
    """

    def __init__(
        self,
        app: ASGIApp,
        listening: socket.socket,
        trusted_proxies: Sequence[str] = (),
        tls: tuple[str, str] | None = None,
    ) -> None:
        certificate, key = tls or (None, None)
        config = uvicorn.Config(
            app,
            http=Bounded,
            log_config=None,
            access_log=False,  # it would print the keys of our endpoints
            server_header=False,
            forwarded_allow_ips=list(trusted_proxies),
            timeout_graceful_shutdown=5,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        self._listening, self._server = listening, uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)

    def open(self) -> None:
        """Returns when callers are answered."""
        self._thread.start()
        while not self._server.started:
            if not self.is_open:
                raise RuntimeError("the web door did not open; the log says why")
            self._thread.join(0.005)

    @property
    def is_open(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Who is being answered is seen through."""
        self._server.should_exit = True
        self._thread.join()

    def _serve(self) -> None:
        self._server.run(sockets=[self._listening])


_REMEDIES = {
    errno.EADDRINUSE: "another program listens there: end it, or name another with --port",
    errno.EADDRNOTAVAIL: "this machine has no such address: name another with --host",
    errno.EACCES: "that port is for the system: name one above 1023 with --port",
}


def cannot_listen(host: str, port: int, error: OSError) -> str:
    """Why a socket could not be bound, and what to do."""
    said = _REMEDIES.get(error.errno or 0, error.strerror)
    return f"cannot listen at {host}:{port}: {said}"


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError that names host and port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise OSError(cannot_listen(host, port, error)) from None
    made.listen(1024)
    return made
