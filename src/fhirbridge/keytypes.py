"""What a key of the configuration may hold: its types, and what is said of a value that is none."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, TypeAdapter, ValidationError

from fhirbridge import yamlfile
from fhirbridge.core.rules import ALL_RULES
from fhirbridge.fhir.kinds import KINDS

Mode = Literal["off", "shadow", "on"]
Supply = Literal["white-bag", "brown-bag", "home", "buy-and-bill"]
_SHORTEST_TOKEN = 16
Roles = Literal[
    "prescriber", "infusion-center", "pharmacy", "payer", "coordinator", "patient", "operations"
]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"“{name}” is no time zone" + _nearest_zone(name)) from None
    return name


def _nearest_zone(name: str) -> str:
    """By the city alone too, which is what people write."""
    city = name.replace(" ", "_").rpartition("/")[2].casefold()
    zones = sorted(available_timezones())
    cities = [zone for zone in zones if zone.rpartition("/")[2].casefold() == city]
    near = cities[0] if cities else yamlfile.near(name, zones)
    return f"; did you mean “{near}”?" if near else "; one is written like America/New_York"


def _web(url: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", url):
        raise ValueError("should be an address that begins with http:// or https://")
    try:
        parts = urlsplit(url)
        user, _ = parts.username, parts.port
    except ValueError:
        said = "should have a host and a port (1 to 65535), like https://ehr.example:8443"
        raise ValueError(said) from None
    if user is not None:
        raise ValueError(
            "should hold no user and no password: an address is shown to people; a server's"
            " belong into `auth`, as basic: {user: …, password: …}"
        )
    return url.rstrip("/")


def _network(text: str) -> str:
    if text != "*":  # everybody
        try:
            ip_network(text, strict=False)
        except ValueError:
            raise ValueError(
                f"“{text}” is no address; write one like 10.0.0.7, or a network like 10.0.0.0/8"
            ) from None
    return text


def _kind(name: str) -> str:
    if name not in KINDS:
        raise ValueError(f"“{name}” is nothing a server can hold" + yamlfile.nearest(name, KINDS))
    return name


def _rule(name: str) -> str:
    known = [each.code for each in ALL_RULES]
    if name not in known:
        raise ValueError(f"there is no rule “{name}”" + yamlfile.nearest(name, known))
    return name


def _like(pattern: str, words: str) -> tuple[Any, BeforeValidator]:
    """Text of a pattern, which the schema publishes; what is none is told in words."""

    def check(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            raise ValueError(words)
        return value

    return Field(pattern=f"^{pattern}$"), BeforeValidator(check)


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _secret(value: object) -> object:
    """Text, or `{file: PATH}`: what stands in that file."""
    if isinstance(value, dict) and set(value) == {"file"}:
        try:
            value = Path(str(value["file"])).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "no text"
            raise ValueError(f"the file of this secret cannot be read: {why}") from None
    if value == "":
        raise ValueError("is empty; give the secret, or leave the key out")
    return SecretStr(value) if isinstance(value, str) else value


def _websocket(url: str) -> str:
    if not re.fullmatch(r"wss?://[^/\s]+(/\S*)?", url):
        raise ValueError("should be an address that begins with ws:// or wss://")
    return url


Url = Annotated[str, AfterValidator(_web)]
WebsocketUrl = Annotated[str, AfterValidator(_websocket)]
Zone = Annotated[str, AfterValidator(_zone)]
Days = Annotated[
    tuple[Annotated[int, Field(ge=0, le=30)], ...],
    BeforeValidator(_tuple),
]
Words = Annotated[tuple[str, ...], BeforeValidator(_tuple)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_tuple)]
Kinds = Annotated[
    tuple[Annotated[str, AfterValidator(_kind)], ...], BeforeValidator(_tuple), Field(min_length=1)
]
Secret = Annotated[
    SecretStr,
    BeforeValidator(
        _secret,
        json_schema_input_type=str | dict[Literal["file"], str],
    ),
]
Tag = Annotated[str, *_like(r"[^|\s]+\|[^|\s]+", "write it like system|code")]
Database = Annotated[
    str,
    *_like(
        r"(sqlite|sqlite\+pysqlite|postgresql\+psycopg)://.+",
        "write sqlite:///file.db or postgresql+psycopg://user@host/database",
    ),
]
Broker = Annotated[
    str,
    *_like(r"(rediss?|unix|redis\+socket)://.*", "write it like redis://host:6379/0"),
]
TypeName = Annotated[str, *_like("[A-Z][A-Za-z]+", "write a FHIR type, like MedicationRequest")]
Holidays = Annotated[
    str, *_like("[A-Z]{2}(-[A-Z0-9]{1,3})?", "write a country or a state, like US or US-NY")
]


def not_empty(value: object) -> object:
    """A variable that was left empty (in a Compose file, say) gives nothing, and opens nothing."""
    return None if value == "" else value


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _SHORTEST_TOKEN:
        raise ValueError(
            f"should have {_SHORTEST_TOKEN} characters or more: `openssl rand -hex 32` makes one"
        )
    return secret


Token = Annotated[Secret, AfterValidator(_long_enough)]
Name = Annotated[
    str,
    *_like(
        "[a-z][a-z0-9_-]{0,30}",
        "write a name of small letters, digits, - and _, which begins with a letter (31 at most)",
    ),
]
Rule = Annotated[str, AfterValidator(_rule)]


def complaint(kind: Any, value: object) -> str | None:
    """What is wrong with a value of one of these types; None: nothing."""
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return None
