"""How a command ends that was called wrongly, failed, or was interrupted: one sentence each, which
says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

#: The exit code after Ctrl-C.
BY_A_PERSON = 130
INTERRUPTED = (
    "interrupted; nothing is lost: what was done stands, and what was begun is due again."
    " Call it again to go on"
)
ENDING = (
    "ending: what is under way is seen through; once more (Ctrl-C) to end at once, and nothing is"
    " lost either"
)


def wrongly(error: Any, commands: Iterable[str]) -> str:
    """A mistake in the call (an error of the command line's parser), with the nearest name."""
    from fhirbridge.yamlfile import nearest

    context = getattr(error, "ctx", None)
    path = context.command_path if context else "fhirbridge"
    said = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    said = said.replace("Input should", "should")
    said = re.sub(r"should be a valid (integer), unable to .*", r"should be a whole number", said)
    if match := re.match(r"No such command '(.*?)'", said):
        said = f"there is no command “{match[1]}”{nearest(match[1], commands)}"
    elif match := re.fullmatch(r"(.*): '(.*)' is not one of (.*)", said):
        valid = re.findall(r"'([^']+)'", match[3])
        said = f"{match[1]}: “{match[2]}” is none of them{nearest(match[2], valid)}"
    elif getattr(error, "possibilities", None):
        options = " or ".join(error.possibilities)
        said = f"there is no option {error.option_name}; did you mean {options}?"
    elif said.startswith("No such option") and " " not in path:
        said += "; options come after the command"
    return f"{path}: {said[:1].lower()}{said[1:].rstrip('?')}; `{path} --help` shows an example"


def failed(error: Exception) -> str:
    """What went wrong and what to do. Only our own errors' texts are shown: another one's may
    quote a record."""
    from fhirbridge.cli.common import Wrong
    from fhirbridge.fhir.errors import FhirError
    from fhirbridge.fhir.jsonio import NotJson
    from fhirbridge.fhir.keys import BadKeys
    from fhirbridge.logs import named
    from fhirbridge.settings import Misconfigured
    from fhirbridge.store.records import StoreError
    from fhirbridge.yamlfile import Invalid

    if isinstance(error, FhirError):
        return f"{error}; `fhirbridge doctor` tries the servers and says what to do"
    if isinstance(error, Wrong | Misconfigured | BadKeys | Invalid | NotJson):
        return str(error)
    if isinstance(error, StoreError):
        said = str(error)
        return said if "; " in said else f"{said}; check `store` in the configuration"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return (
            f"{error.filename}: {error.strerror.lower()}; name another file, or look after its"
            " folder and permissions"
        )
    if isinstance(error, OSError | TimeoutError):
        return str(error)
    return f"a defect, {named(error)}: please report it; FHIRBRIDGE_DEBUG=1 shows more"
