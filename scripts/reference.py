"""Write docs/reference anew: `python scripts/reference.py`, after a change of a command or a key.

Commands are shown as `--help` shows them. Of the configuration, keys, kinds and defaults are those
of the models, and what a key means is the comment that stands beside it in `settings.py`. Metrics
are those that `web/metrics.py` makes, with their own words.
"""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.main import get_command
from typer.testing import CliRunner

from fhirbridge import settings
from fhirbridge.cli.main import app
from fhirbridge.fhir import jsonio
from fhirbridge.schemas import published
from fhirbridge.store import Store
from fhirbridge.web.metrics import Metrics
from fhirbridge.yamlfile import Strict

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
_MADE = "<!-- Made by scripts/reference.py: change the code, then run it. -->"
_WIDTH = 96


def pages() -> dict[str, str]:
    """The pages by name."""
    return {
        "commands.md": commands(),
        "configuration.md": configuration(),
        "metrics.md": metrics(),
    }


# --- commands

_COMMANDS = """# Commands

{made}

Every command takes `--config FILE` where it needs a configuration (else `$FHIRBRIDGE_CONFIG`,
else `./fhirbridge.yaml`) and prints for people, or for machines with `--format json`. Exit codes:
0 all is well; 1 something was found to report; 2 called wrongly, or it cannot run: the last line
says what to do. `FHIRBRIDGE_DEBUG=1` shows where an error came from. Completion in the shell:
[how-to/complete-in-the-shell.md](../how-to/complete-in-the-shell.md).
"""


def commands() -> str:
    names = list(get_command(app).commands)  # type: ignore[attr-defined]  # typer says Command
    parts = [_COMMANDS.format(made=_MADE)]
    for name in names:
        shown = CliRunner().invoke(app, [name, "--help"], terminal_width=_WIDTH)
        text = "\n".join(line.rstrip() for line in shown.output.strip().splitlines())
        text = text.replace("Usage: root ", "Usage: fhirbridge ")
        parts.append(f"## {name}\n\n```\n{text}\n```\n")
    return "\n".join(parts)


# --- configuration

_CONFIGURATION = """# Configuration

{made}

One YAML file; how to use it is in [how-to/configure.md](../how-to/configure.md), and editors
check it by [the JSON Schema](../schemas/fhirbridge.json). Each key is also a variable:
`servers.ehr.base_url` is `FHIRBRIDGE_SERVERS__EHR__BASE_URL`, lists and mappings as JSON; a
variable wins. A secret is a text, or `{{file: PATH}}`, or a variable that ends in `_FILE`. `NAME`
is yours to choose.
"""


#: What a key means that has no comment in the code: by model and key.
MEANS: Mapping[str, Mapping[str, str]] = {
    "Settings": {
        "instance": "part of every identifier that we write: two installations need two names",
        "write": "`shadow` decides and shows everything, and writes nothing",
        "timezone": "of the sites: it decides which local day a moment is",
        "holidays": "a country, or a part of one (`US-NY`): days that are no business days",
        "identity": "identifier systems that join the records of a person across servers, with"
        " the birth date; left out: any system that both records carry",
        "servers": "the FHIR servers by names of yours, see below",
        "public_url": "where the servers reach us",
        "store": "where is kept what we were told and what we owe: SQLite or PostgreSQL",
        "broker": "a Redis that wakes Celery workers; without it they look by themselves",
        "mappings": "folders with therapies, servers and texts of your own",
    },
    "WriteModes": {"default": "for all rules", "rules": "for single rules"},
    "ServerSettings": {
        "base_url": "the address of the FHIR API",
        "holds": "what it is believed for: orders, schedule, authorizations, coverage, dispenses,"
        " administrations, results, rems; `worklist`: Tasks go there (one server)",
        "subscribe": "how we hear of changes; all are polled besides",
        "auth": "how we sign in",
        "tls": "whom to trust, and our own certificate",
        "owners": "roles that the records do not name, as references on the worklist's server",
        "infusion_visits": "an Appointment carries no drug: what counts as an infusion here",
        "supply": "by therapy: how the drug reaches the patient",
        "timezone": "of this server's site, if it is another",
        "write": "of the server with the worklist, if it is another than of the installation",
        "timeout_seconds": "how long an answer is waited for",
    },
    "OwnTls": {
        "certificate": "a file in PEM, with the chain of its authorities below it",
        "key": "a file in PEM, without a password, readable by fhirbridge only",
    },
    "Auth": {
        "bearer": "a token that does not change",
        "basic": "user and password",
        "smart_backend": "we sign with our own key",
        "client_secret": "OAuth client credentials with a password",
        "headers": "by name: sent with every request, for a gateway",
    },
    "SmartBackend": {
        "client_id": "as registered",
        "token_url": "left out: discovered",
        "scopes": "left out: what the configuration needs",
        "audience": "left out: the token endpoint",
        "algorithm": "left out: the cheaper one that the server knows",
    },
    "ClientSecret": {
        "client_id": "as registered",
        "token_url": "left out: discovered",
        "scopes": "left out: what the configuration needs",
        "secret": "the password of the client",
    },
    "Basic": {"user": "the name", "password": "the password"},
    "Tls": {
        "ca": "who may vouch for the server, beside those whom the machine trusts",
        "certificate": "ours, where the server asks for one",
        "key": "the private key of it",
    },
    "InfusionVisits": {
        "service_type": "codes (`system|code` or `code`) or displays of Appointment.serviceType",
        "locations": "references of Locations in which infusions are given",
    },
}


def configuration() -> str:
    parts = [_CONFIGURATION.format(made=_MADE)]
    schema = published()["fhirbridge"]
    for title, prefix, model in _models():
        about = _first(inspect.getdoc(model) or "")
        none = model is settings.Settings or about == _first(inspect.getdoc(Strict) or "")
        parts.append(f"## {title}\n" + ("" if none else f"\n{about}\n"))
        parts.append("| key | takes | if it is left out | |\n|---|---|---|---|")
        shape = _shape(schema, model)
        said = _comments(model)
        for name, field in model.model_fields.items():
            takes = _takes(shape["properties"][name], schema)
            default = _default(field, name in shape.get("required", ()))
            means = said.get(name) or MEANS.get(model.__name__, {}).get(name, "")
            parts.append(f"| `{prefix}{name}` | {takes} | {default} | {_plain(means)} |")
        parts.append("")
    return "\n".join(parts)


def _models() -> Iterator[tuple[str, str, type[BaseModel]]]:
    yield "The installation", "", settings.Settings
    yield "Write modes", "write.", settings.WriteModes
    yield "A server", "servers.NAME.", settings.ServerSettings
    yield "Signing in", "servers.NAME.auth.", settings.Auth
    yield "… by SMART Backend Services", "servers.NAME.auth.smart_backend.", settings.SmartBackend
    yield "… by a client's secret", "servers.NAME.auth.client_secret.", settings.ClientSecret
    yield "… by user and password", "servers.NAME.auth.basic.", settings.Basic
    yield "Certificates", "servers.NAME.tls.", settings.Tls
    yield "TLS at our own door", "tls.", settings.OwnTls
    yield "Infusion visits", "servers.NAME.infusion_visits.", settings.InfusionVisits


def _shape(schema: Mapping[str, Any], model: type[BaseModel]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (
        schema if model is settings.Settings else schema["$defs"][model.__name__]
    )
    return found


def _takes(shape: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in shape:
        name = str(shape["$ref"]).rpartition("/")[2]
        inner = schema["$defs"][name]
        return _takes(inner, schema) if "enum" in inner else "see below"
    if "anyOf" in shape:
        ways = [_takes(each, schema) for each in shape["anyOf"] if each.get("type") != "null"]
        secret = any(each.startswith("a mapping of `file`") for each in ways)
        ways = ["a text or `{file: PATH}`"] if secret else ways
        return ", or ".join(dict.fromkeys(ways))
    if "enum" in shape:
        return " · ".join(f"`{each}`" for each in shape["enum"])
    if "const" in shape:
        return f"`{shape['const']}`"
    kind = shape.get("type")
    if kind == "array":
        return f"a list: {_takes(shape['items'], schema)}"
    if kind == "object":
        if "patternProperties" in shape:
            return "a mapping of names, see below"
        names, values = shape.get("propertyNames", {}), shape.get("additionalProperties")
        keys = _takes(names, schema) if {"enum", "const"} & names.keys() else "names"
        return f"a mapping of {keys} to {_takes(values, schema) if values else 'text'}"
    low = shape.get("minimum", shape.get("exclusiveMinimum"))
    more = (
        "" if low is None else f", {'more than' if 'exclusiveMinimum' in shape else 'from'} {low}"
    )
    named = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
    return named.get(str(kind), "a text") + more


def _default(field: Any, required: bool) -> str:
    if required:
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined or value is None or isinstance(value, BaseModel):
        return "–"
    plain = jsonio.dumps(value).decode()
    return "–" if plain in ("{}", "[]") else f"`{plain.strip(chr(34))}`"


def _comments(model: type[BaseModel]) -> dict[str, str]:
    """What the comments beside, or just above, the fields of a model and its bases say."""
    found: dict[str, str] = {}
    for each in reversed([base for base in model.__mro__ if base.__module__ == settings.__name__]):
        source = inspect.getsource(each)
        lines = source.splitlines()
        said = {
            token.start[0]: token.string.lstrip("# ").strip()
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }
        for node in ast.parse(source).body[0].body:  # type: ignore[attr-defined]  # a class
            if not isinstance(node, ast.AnnAssign):
                continue
            above: list[str] = []
            line = node.lineno - 1
            while line in said and lines[line - 1].lstrip().startswith("#"):
                above.insert(0, said[line])
                line -= 1
            beside = said.get(node.end_lineno or 0, "")
            found[ast.unparse(node.target)] = beside or " ".join(above)
    return found


def _plain(text: str) -> str:
    """A comment as a cell of a table."""
    text = (
        text.replace(". None:", "; left out:")
        .replace("None:", "left out:")
        .replace("… and one", "the same of one")
    )
    return text.replace("<", "&lt;").replace("|", "\\|")


def _first(doc: str) -> str:
    return " ".join(doc.split("\n\n")[0].split())


# --- metrics

_METRICS = """# Metrics

{made}

`/metrics` of `fhirbridge serve`, and of a `fhirbridge worker` with `--metrics-port`, in Prometheus'
text format. Who may ask: [security.md](../security.md#console-and-metrics); what to watch:
[alerts.yaml](../alerts.yaml). Gauges are the same from each process, because they are read from the
store: take the largest, not the sum; but `fhirbridge_newest_change_seconds` is of one process: take
the smallest. Counters and histograms are of one process: sum them. A histogram has `_bucket`,
`_sum` and `_count`. No label holds anything of a person.

| metric | kind | labels | |
|---|---|---|---|
"""


def metrics() -> str:
    with TemporaryDirectory() as folder:
        store = Store(f"sqlite:///{folder}/x.db", ids=lambda: "x")
        made = vars(Metrics(store, lambda: datetime.now(UTC))).values()
        store.close()
    rows = []
    for each in (each for each in made if isinstance(each, MetricWrapperBase)):
        (told,) = each.describe()
        name = told.name + ("_total" if told.type == "counter" else "")
        labels = ", ".join(each._labelnames)
        rows.append(f"| `{name}` | {told.type} | {labels} | {told.documentation} |\n")
    return _METRICS.format(made=_MADE) + "".join(sorted(rows))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
