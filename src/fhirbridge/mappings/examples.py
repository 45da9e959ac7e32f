"""The examples in the files, run against what the files say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fhirbridge.core.facts import Problem, Ref
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.quantity import Amount
from fhirbridge.yamlfile import Node

from .codes import to_codes
from .files import Example, TherapyFile


def run(formulary: Formulary, files: Mapping[str, tuple[Node, TherapyFile]]) -> Iterator[str]:
    """`file:line: message` for each example that does not come out."""
    for name, (node, file) in sorted(files.items()):
        for number, example in enumerate(file.examples):
            came = _outcome(formulary, name, example)
            if came != example.expect:
                line = node.line(("examples", number))
                yield f"{node.path}:{line}: expected “{example.expect}”, came “{came}”"


def _outcome(formulary: Formulary, name: str, example: Example) -> str:
    codes = to_codes(example.codes)
    whose = formulary.recognize(codes, example.text)
    if whose.unclear:
        return "unclear"
    if whose.therapy is None or whose.therapy.name != name:
        return "other"
    if example.amount is None:
        return "this"
    said = example.amount
    came = formulary.measure(
        whose.therapy,
        codes,
        Amount(said.value, said.unit, code=said.code, text=said.text),
        example.on,
        context=example.context,
        ref=Ref("example", "Example", name),
        at="amount",
    )
    return came.reason if isinstance(came, Problem) else str(came.mass)
