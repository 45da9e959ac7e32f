"""An embedded FHIR R4 server for the demo and for fast tests; it behaves like HAPI."""

from fhirbridge.sandbox.server import Sandbox

__all__ = ["Sandbox"]
