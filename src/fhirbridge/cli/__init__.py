"""The command line. One module for each group of commands; `main` is the entry point.

Modules that a command needs are imported when it runs: `fhirbridge --help` should be quick.
"""

from __future__ import annotations

try:
    from fhirbridge.cli.main import main
except KeyboardInterrupt:  # Ctrl-C while modules are loaded: nothing was begun
    raise SystemExit(130) from None

__all__ = ["main"]
