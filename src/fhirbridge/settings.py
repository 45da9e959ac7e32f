"""Configuration: one YAML file and `FHIRBRIDGE_…` variables, read once into frozen objects.

    settings = read(path)          file and environment; `Misconfigured` names each mistake

The keys are those of the README. A variable stands for a key by its path, in capitals, with two
underscores between levels: `FHIRBRIDGE_SERVERS__EHR__BASE_URL`. Lists and mappings are given as
JSON. A secret may lie in a file: `FHIRBRIDGE_SERVERS__EHR__AUTH__BEARER_FILE=/run/secrets/ehr`,
or `bearer: {file: /run/secrets/ehr}` in the YAML. A variable wins over the file.

This is the only module that looks at the environment. `wiring.wire` makes a Bridge of it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from fhirbridge import yamlfile
from fhirbridge.keytypes import (
    Broker,
    Database,
    Days,
    Holidays,
    Kinds,
    Mode,
    Name,
    Networks,
    Roles,
    Rule,
    Secret,
    Supply,
    Tag,
    Token,
    TypeName,
    Url,
    WebsocketUrl,
    Words,
    Zone,
    not_empty,
)
from fhirbridge.variables import NO_FILE, overridden


class Misconfigured(ValueError):
    """The configuration cannot be used. `str()` is one line for each mistake and its place."""


class Basic(yamlfile.Strict):
    user: str
    password: Secret


class Client(yamlfile.Strict):
    """Signing in with OAuth client credentials. What is not given is discovered, or what the
    configuration needs."""

    client_id: str
    token_url: Url | None = None
    scopes: Words = ()


class SmartBackend(Client):
    """SMART Backend Services: we sign with a key of `keys`."""

    audience: str | None = None
    algorithm: Literal["RS384", "ES384"] | None = None


class ClientSecret(Client):
    """The same with a password of the client."""

    secret: Secret


class Auth(yamlfile.Strict):
    """How we sign in: one of bearer, basic, smart_backend and client_secret, or none.

    `headers` are sent beside it: what a gateway asks for.
    """

    bearer: Secret | None = None
    basic: Basic | None = None
    smart_backend: SmartBackend | None = None
    client_secret: ClientSecret | None = None
    headers: dict[str, Secret] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        ways = (self.bearer, self.basic, self.smart_backend, self.client_secret)
        if len([way for way in ways if way]) > 1:
            raise ValueError("give one of bearer, basic, smart_backend and client_secret")
        return self


class Tls(yamlfile.Strict):
    """Files in PEM: who may vouch for the server (`ca`), and our own certificate."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


class OwnTls(yamlfile.Strict):
    """TLS at our own door: files in PEM, the certificate with its chain, the key unlocked."""

    certificate: str
    key: str


class InfusionVisits(yamlfile.Strict):
    """What counts as an infusion visit at this site, beside the shipped list."""

    service_type: Words = ()
    locations: Words = ()


class ServerSettings(yamlfile.Strict):
    base_url: Url
    holds: Kinds
    profile: str | None = None  # mappings/servers/<profile>.yaml; None: as the server says
    subscribe: Literal["push", "websocket", "poll"] = "push"
    topics: dict[TypeName, Url] = Field(default_factory=dict)  # type -> SubscriptionTopic
    requests_at_once: int = Field(default=8, gt=0)  # by all of our processes together
    requests_per_second: float = Field(default=0, ge=0)  # the same; 0: as many as are needed
    websocket_url: WebsocketUrl | None = None  # None: as the server or its profile says
    auth: Auth = Auth()
    tls: Tls = Tls()
    only_tagged: Tag | None = None  # system|code: who does not carry it is a stranger
    owners: dict[Roles, str] = Field(default_factory=dict)
    infusion_visits: InfusionVisits = InfusionVisits()
    supply: dict[str, Supply] = Field(default_factory=dict)
    timezone: Zone | None = None
    write: Mode | None = None
    provenance: bool | None = None  # with what is written there; None: see `attested`
    timeout_seconds: int = Field(default=30, gt=0)
    silent_after_hours: int | None = Field(default=None, gt=0)  # the longest usual pause of news

    @model_validator(mode="after")
    def _topics_are_told_by_rest_hook(self) -> Self:
        if self.topics and self.subscribe != "push":
            raise ValueError(
                f"topics are told by rest-hook only, and here stands “subscribe: {self.subscribe}”"
            )
        twice = [each for each, count in Counter(self.topics.values()).items() if count > 1]
        if twice:
            raise ValueError(f"one topic for each type; {twice[0]} is given for two")
        return self

    @property
    def attested(self) -> bool:
        """Is a Provenance written with what is written there? Unasked only where no scope must be
        granted for it first: a transaction with one entry too many would be refused as a whole."""
        if self.provenance is not None:
            return self.provenance
        return not (self.auth.smart_backend or self.auth.client_secret)


class TraceSettings(yamlfile.Strict):
    """Where OpenTelemetry traces go: a collector's OTLP/HTTP address, with its path."""

    endpoint: Url
    headers: dict[str, Secret] = Field(default_factory=dict)
    ratio: float = Field(default=1.0, ge=0, le=1)  # of the traces that begin here, which are sent


class WriteModes(yamlfile.Strict):
    """`write:` in its long form: the mode, and rules that have their own."""

    default: Mode = "shadow"
    rules: dict[Rule, Mode] = Field(default_factory=dict)


def _modes(value: object) -> object:
    if isinstance(value, bool):
        value = str(value).lower()  # a word that is none of them
    return {"default": value} if isinstance(value, str) else value


Modes = Annotated[WriteModes, BeforeValidator(_modes, json_schema_input_type=Mode | WriteModes)]


class Settings(yamlfile.Strict):
    """The whole configuration. Without a file: no servers, so only demo, audit and sandbox."""

    instance: Name = "fhirbridge"
    write: Modes = WriteModes()
    timezone: Zone | None = None
    holidays: Holidays | None = None
    identity: Words = ()
    servers: dict[Name, ServerSettings] = Field(default_factory=dict)
    public_url: Url = "http://127.0.0.1:8000"
    tls: OwnTls | None = None  # with which `serve` speaks https itself; None: a proxy does
    store: Database = Field(default="sqlite:///fhirbridge.db", repr=False)
    processes: int = Field(default=1, gt=0)  # of ours that ask servers: each gets its share
    broker: Broker | None = Field(default=None, repr=False)
    # Who sends it may read our own worklist at /fhir.
    worklist_token: Annotated[Secret | None, BeforeValidator(not_empty)] = None
    # Who sends it may see the console and the metrics from elsewhere, or behind a proxy.
    management_token: Annotated[Token | None, BeforeValidator(not_empty)] = None
    management: Literal["closed", "open"] = "closed"  # open: anybody who reaches us may see them
    # Whose X-Forwarded-For is believed when wrong tries are counted: addresses or networks.
    trusted_proxies: Networks = ("127.0.0.1", "::1")
    traces: TraceSettings | None = None  # needs the extra `otel`
    log: Literal["text", "json"] = "text"  # of serve and worker: for people, or for a collector
    log_level: Literal["debug", "info", "warning", "error"] = "info"  # debug: each step is told
    mappings: Words = ()
    keys: str = "fhirbridge-keys.json"  # with which smart_backend signs: `fhirbridge keys new`
    sweep_seconds: int = Field(default=900, gt=0)  # how often a server is polled that pushes
    poll_seconds: int = Field(default=60, gt=0)  # … and one that does not, or is silent
    # News of a person is worked on when there was none for so long: one read of the servers for
    # all that comes together. What is urgent does not wait. None: two seconds, or none where Tasks
    # stay on this machine.
    debounce_seconds: int | None = Field(default=None, ge=0)
    debounce_most_seconds: int = Field(default=30, ge=0)  # … and at the latest after so long
    # How long a change that is not urgent must be wanted before it is written. None: a quarter
    # of an hour where Tasks go to another machine, else none.
    settle_seconds: int | None = Field(default=None, ge=0)
    most_new_tasks: int | None = Field(default=50, gt=0)  # for one owner in a day; null: any number
    # Transactions for one person in an hour; null: any number, as where Tasks stay on this machine.
    most_writes: int | None = Field(default=60, gt=0)
    # On which business days before a Task is due its owner is reminded, if nobody accepted it.
    reminders: Days = (3, 1)
    tell_patients: Words = ()  # the rules of which patients are told too, in plain words
    keep_days: int = Field(default=30, gt=0)  # how long the journal of deliveries is kept
    lease_seconds: int = Field(default=180, gt=0)  # how long a worker may take for one person

    @model_validator(mode="after")
    def _a_wait_that_ends(self) -> Self:
        quiet, most = self.debounce_seconds or 0, self.debounce_most_seconds
        if quiet > most:
            raise ValueError(
                f"debounce_seconds: {quiet} is more than debounce_most_seconds ({most}), which"
                " ends the wait; raise that, too"
            )
        return self

    @model_validator(mode="after")
    def _one_worklist(self) -> Self:
        homes = [name for name, server in self.servers.items() if "worklist" in server.holds]
        if self.servers and len(homes) != 1:
            what = f"are {', '.join(homes)}" if homes else "is none"
            raise ValueError(
                f"servers: one server should hold “worklist” (that is where Tasks go); there {what}"
            )
        return self

    @model_validator(mode="after")
    def _https_is_told_as_such(self) -> Self:
        if self.tls and not self.public_url.startswith("https://"):
            raise ValueError("public_url: should begin with https://, because “tls” is given")
        return self

    @model_validator(mode="after")
    def _a_share_for_each_process(self) -> Self:
        for name, server in self.servers.items():
            if server.requests_at_once < self.processes:
                raise ValueError(
                    f"servers.{name}.requests_at_once: {server.requests_at_once} cannot be shared"
                    f" by {self.processes} processes; allow more, or run fewer"
                )
        return self


def config_path(given: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The configuration file: as given, else `$FHIRBRIDGE_CONFIG`, else ./fhirbridge.yaml."""
    if given is not None:
        return given
    if named := environ.get("FHIRBRIDGE_CONFIG"):
        return Path(named)
    usual = Path("fhirbridge.yaml")
    return usual if usual.exists() else None


def masked(settings: Settings) -> dict[str, Any]:
    """The whole configuration as it holds, for people to see: secrets are stars."""
    shown: dict[str, Any] = settings.model_dump(mode="json")
    for name in ("store", "broker"):
        shown[name] = _without_password(shown[name])
    return shown


def _without_password(url: str | None) -> str | None:
    """A database's or broker's address; everything that may be a password is stars."""
    if url is None:
        return None
    plain = re.sub(r"(//[^/@?]*?):[^@?]*@", r"\1:**********@", url, count=1)
    return re.sub(r"(?i)((?:password|passwd|secret)=)[^&]*", r"\1**********", plain)


def debugging(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `$FHIRBRIDGE_DEBUG` asks for stack traces."""
    return environ.get("FHIRBRIDGE_DEBUG", "") not in ("", "0")


def is_loopback(url: str) -> bool:
    """Does an address name only the machine that asks?"""
    try:
        return is_this_machine(urlsplit(url).hostname or "")
    except ValueError:  # no address at all
        return False


def is_this_machine(host: str) -> bool:
    """The same of a host alone: a name, or an IP address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # another name
        return False


def read(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """File and environment as `Settings`. Raises `Misconfigured` with every mistake."""
    variables: list[str] = []
    try:
        node = yamlfile.load(path) if path else yamlfile.Node(NO_FILE, {})
        node = overridden(node, environ, variables)
        return yamlfile.validate(node, Settings)
    except yamlfile.Invalid as error:
        raise Misconfigured("\n".join(_said(each, variables) for each in error.all)) from None


def _said(complaint: yamlfile.Invalid, variables: list[str]) -> str:
    """A complaint with its place: lines below zero are those of variables (`overridden`)."""
    message = complaint.message.replace("value error, ", "", 1).replace(".[key]”", "”")
    message = message.removeprefix("“the file”: ")
    if complaint.line < 0:
        return f"${variables[-complaint.line - 1]}: {message}"
    if complaint.path == NO_FILE:
        return message
    return f"{complaint.path}:{complaint.line}: {message}"
