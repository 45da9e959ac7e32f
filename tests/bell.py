"""The websocket of R4 Subscriptions, as HAPI does it, for tests; it may hang at an embedded server.

It is no part of the sandbox: `src/fhirbridge/sandbox` has its 600 lines, and its users (the demo,
the round trip of the doctor) hear by rest-hook.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from fhirbridge.sandbox import Sandbox
from fhirbridge.sandbox.hooks import meant
from fhirbridge.sandbox.resources import Version


class Bell:
    """`bind` is answered with `bound`, while `answers` is set; then it pings. Use as a context
    manager."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.bound: dict[str, ServerConnection] = {}
        self._server = serve(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/websocket"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Bell:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.answers.set()
        self._server.shutdown()
        self._thread.join()

    def ping(self, id_: str) -> None:
        self.bound[id_].send(f"ping {id_}")

    def hang_up(self) -> None:
        """Every connection is closed; whoever wants to hear binds anew."""
        bound, self.bound = self.bound, {}
        for each in bound.values():
            each.close()

    def hang_at(self, box: Sandbox) -> None:
        """Start the websocket Subscriptions of an embedded server, and ping of what they mean."""
        box.store.listeners.append(partial(self._heard, box))

    def _heard(self, box: Sandbox, version: Version) -> None:
        content = version.resource or {}
        if version.key[0] == "Subscription":
            if content.get("channel", {}).get("type") == "websocket":
                started = {**content, "status": "active"}
                if content["status"] == "requested":  # not within the write that is told here
                    threading.Thread(target=box.put, args=(started,)).start()
            return
        for each in box.store.current("Subscription"):
            wanted = each.resource or {}
            listens = each.key[1] in self.bound and wanted.get("status") == "active"
            if listens and meant(wanted, version):
                with suppress(ConnectionClosed):  # nothing is kept for who is not connected
                    self.ping(each.key[1])

    def _serve(self, socket: ServerConnection) -> None:
        for said in socket:
            id_ = str(said).removeprefix("bind ")
            self.answers.wait()
            self.bound[id_] = socket
            socket.send(f"bound {id_}")
