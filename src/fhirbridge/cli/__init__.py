"""The command line. One module for each group of commands; `main` is the entry point.

Modules that a command needs are imported when it runs: `fhirbridge --help` should be quick.
"""

from __future__ import annotations

from fhirbridge.cli.main import main

__all__ = ["main"]
