"""Which make of server one is: as configured, else as its CapabilityStatement says, asked once."""

from __future__ import annotations

from collections.abc import Mapping

from fhirbridge.fhir.profile import Fit, Profile, choose, fitted, is_open

from .ports import Server


class Make:
    """What one server can and cannot (`fit`), learned when it is first needed.

    `named` is the configured profile; without one, the server's software chooses among `known`.
    """

    def __init__(
        self, server: Server, known: Mapping[str, Profile], named: Profile | None = None
    ) -> None:
        self._server, self._known, self._named = server, known, named
        self._fit: Fit | None = None
        if named is not None and not is_open(named):
            self._fit = fitted(named)

    @property
    def fit(self) -> Fit:
        """As far as is known without asking: before `learn`, what R4 lets one expect."""
        return self._fit or (fitted(self._named) if self._named else Fit())

    def learn(self) -> Fit:
        """Ask the server, if that was not done before. Raises what reading it raises."""
        # Without a lock: two that ask at once learn the same, and nobody waits for a server.
        if self._fit is None:
            statement = self._server.capabilities()
            profile = self._named or choose(self._known.values(), statement)
            self._fit = fitted(profile, statement)
        return self._fit
