"""The Subscription that we ask a server for, and its life. Pure; the supervisor acts.

One Subscription for each server and type: a classic one of R4, rest-hook or websocket, with the
criteria `Type?` (a status filter would hide the update that leaves it, and a filter that HAPI
cannot evaluate lets everything through: docs/servers.md 3), or where the site names a topic, one
of the Subscriptions R5 Backport 1.1.0, whose events are numbered. R4 gives Subscriptions no
identifier, so ours are known by a tag, or, where a server drops tags, by endpoint and criteria.

Its life is the table `LIFE`: in a state, a sign leads to a state and something to do. What is
not in the table changes nothing. Whatever the state, polling goes on: slowly when the
Subscription is `active`, quickly when it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

from .references import TYPE
from .told import instant

REST_HOOK, WEBSOCKET = "rest-hook", "websocket"
SECRET_HEADER = "X-Fhirbridge-Secret"
TAG = {"system": "urn:fhirbridge:tag", "code": "fhirbridge"}
_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition"
_HEARTBEAT = f"{_BACKPORT}/backport-heartbeat-period"
_LONGEST_HEARTBEAT = 24 * 3600  # seconds; more tells nothing
#: Seconds without an event after which a server of topics shall say that it is still there.
HEARTBEAT = 120
_SEND_DELETES = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages"


def endpoint(public_url: str, server: str, key: str) -> str:
    """Our address for the notifications of one Subscription; `key` is its unguessable part."""
    return f"{_endpoints(public_url, server)}{key}"


def wanted(
    *,
    instance: str,
    server: str,
    type_: str,
    public_url: str,
    key: str,
    secret: str,
    channel: str = REST_HOOK,
    signed_by: str | None = None,
    end: datetime | None = None,
    topic: str | None = None,
    only_tagged: str | None = None,
    beats: bool = True,
) -> dict[str, Any]:
    """The Subscription to ask `server` for, so that it tells us of every change of `type_`.

    `signed_by`: the extension in which this make of server takes the secret to sign with.
    `end`: when the server shall drop it by itself. `topic`: the canonical address of the topic to
    ask for instead of the type; it tells ids, and we read them; with `beats` it is asked for
    heartbeats, too. `only_tagged`: the tag (`system|code`) without which a record is a stranger's.
    Raises ValueError for a secret with a colon, which some servers cut in two (Medplum), or for a
    type that is none.
    """
    if not TYPE.fullmatch(type_):
        raise ValueError(f"{server}: {type_!r} is no resource type")
    if not secret or any(char in ": \r\n" for char in secret):
        raise ValueError(f"{server}: a Subscription's secret needs to be one word without a colon")
    subscription: dict[str, Any] = {
        "resourceType": "Subscription",
        "meta": {"tag": [TAG, _own_tag(instance, server, type_)]},
        "status": "requested",
        "reason": f"fhirbridge {instance}: reconcile infusion orders when a {type_} changes",
        "criteria": f"{type_}?" + (f"_tag={only_tagged}" if only_tagged else ""),
        "channel": _channel(channel, endpoint(public_url, server, key), secret),
    }
    if topic is not None:
        subscription["meta"]["profile"] = [f"{_BACKPORT}/backport-subscription"]
        subscription["criteria"] = topic
        content = {"url": f"{_BACKPORT}/backport-payload-content", "valueCode": "id-only"}
        subscription["channel"]["_payload"] = {"extension": [content]}
    if topic is not None and beats:
        beat = {"url": _HEARTBEAT, "valueUnsignedInt": HEARTBEAT}
        subscription["channel"].setdefault("extension", []).append(beat)
    if signed_by is not None:
        subscription["extension"] = [{"url": signed_by, "valueString": secret}]
    if end is not None:
        subscription["end"] = end.isoformat(timespec="seconds")
    return subscription


def _channel(kind: str, there: str, secret: str) -> dict[str, Any]:
    """Nothing is sent to the endpoint of a websocket: there it is only a name."""
    if kind == WEBSOCKET:
        return {"type": WEBSOCKET, "endpoint": there}
    return {
        # HAPI reads the extension here and not on the Subscription (hapi-fhir#3684).
        "extension": [{"url": _SEND_DELETES, "valueBoolean": True}],
        "type": REST_HOOK,
        "endpoint": there,
        "payload": "application/fhir+json",
        "header": [f"{SECRET_HEADER}: {secret}"],
    }


def own_query(instance: str, server: str, type_: str) -> dict[str, str]:
    """The search for our Subscription; also its If-None-Exist, joined by `=`."""
    tag = _own_tag(instance, server, type_)
    return {"_tag": f"{tag['system']}|{tag['code']}"}


def own_type(
    subscription: Mapping[str, Any],
    *,
    instance: str,
    server: str,
    public_url: str,
    topics: Mapping[str, str] | None = None,
) -> str | None:
    """The type that a Subscription found on `server` is ours for; None when it is not ours.

    `topics`: by type, the topic that is asked for instead.
    """
    criteria = subscription.get("criteria")
    of_topic = {topic: type_ for type_, topic in (topics or {}).items()}
    asked = criteria.split("?")[0] if isinstance(criteria, str) else ""
    type_ = of_topic.get(asked, asked)
    if not TYPE.fullmatch(type_):
        return None
    meta = subscription.get("meta")
    tags = meta.get("tag") if isinstance(meta, Mapping) else None
    ours = _own_tag(instance, server, type_)
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, Mapping) and (tag.get("system"), tag.get("code")) == (
            ours["system"],
            ours["code"],
        ):
            return type_
    there = _endpoint_of(subscription)
    return type_ if there and there.startswith(_endpoints(public_url, server)) else None


class State(StrEnum):
    """Where the life of one Subscription stands. Only `active` lets polling be slow."""

    ABSENT = "absent"  # not looked for yet
    REQUESTED = "requested"  # asked for; the server has not started it
    ACTIVE = "active"
    SILENT = "silent"  # active, says the server, but it does not tell, or its heart stopped
    GAP = "gap"  # active, but events are missing by their numbers, and not made up for yet
    ERROR = "error"
    OFF = "off"
    GONE = "gone"  # it was there, and is not any more (hapi.fhir.org deletes after a day)
    REFUSED = "refused"  # the server does not want it, or never starts it


class Sign(StrEnum):
    """What was seen of it."""

    MISSING = "missing"  # the server does not have it
    SAYS_REQUESTED = "says-requested"
    SAYS_ACTIVE = "says-active"
    SAYS_ERROR = "says-error"
    SAYS_OFF = "says-off"
    DIFFERS = "differs"  # it leads to another address than ours is now
    REJECTED = "rejected"  # the server would not take it (a 4xx)
    HEARD = "heard"  # a notification came by it
    UNTOLD = "untold"  # a poll found a change that it should have told and did not
    STOPPED = "stopped"  # its heartbeats came, and come no more
    SKIPPED = "skipped"  # numbers of its events are missing
    FILLED = "filled"  # what they stood for has been read
    QUIET = "quiet"  # nothing came for much longer than this source usually leaves us alone
    EXPIRES = "expires"  # its server will drop it soon
    OVERDUE = "overdue"  # the state has lasted longer than its PATIENCE


class Action(StrEnum):
    """What the supervisor does."""

    NOTHING = "nothing"
    ASK = "ask"  # put it with status requested if we know its id, else create it if none exists
    FILL = "fill"  # ask for the events that are missing; where that cannot be, read what changed
    CATCH_UP = "catch-up"  # read what changed since the watermark: nobody told us meanwhile


Step = tuple[State, Action]

_ASKED: Step = (State.REQUESTED, Action.ASK)
_STARTED: Step = (State.ACTIVE, Action.CATCH_UP)


def _each(states: str, sign: Sign, step: Step) -> dict[tuple[State, Sign], Step]:
    return {(State(state), sign): step for state in states.split()}


LIFE: Mapping[tuple[State, Sign], Step] = {
    **_each("absent", Sign.MISSING, _ASKED),
    **_each("absent requested active silent gap error off gone refused", Sign.DIFFERS, _ASKED),
    **_each("silent error off gone refused", Sign.OVERDUE, _ASKED),
    **_each("requested", Sign.OVERDUE, (State.REFUSED, Action.NOTHING)),
    **_each("requested", Sign.REJECTED, (State.REFUSED, Action.NOTHING)),
    **_each("absent requested error off gone refused", Sign.SAYS_ACTIVE, _STARTED),
    **_each("requested silent refused", Sign.HEARD, _STARTED),
    **_each("active", Sign.UNTOLD, (State.SILENT, Action.CATCH_UP)),
    **_each("active", Sign.STOPPED, (State.SILENT, Action.CATCH_UP)),
    **_each("active", Sign.QUIET, (State.ACTIVE, Action.CATCH_UP)),
    **_each("active gap", Sign.SKIPPED, (State.GAP, Action.FILL)),
    **_each("gap", Sign.FILLED, (State.ACTIVE, Action.NOTHING)),
    **_each("active silent gap", Sign.EXPIRES, _ASKED),
    **_each(
        "absent active gap error off gone", Sign.SAYS_REQUESTED, (State.REQUESTED, Action.NOTHING)
    ),
    **_each(
        "absent requested active silent gap off gone refused",
        Sign.SAYS_ERROR,
        (State.ERROR, Action.NOTHING),
    ),
    **_each(
        "absent requested active silent gap error gone refused",
        Sign.SAYS_OFF,
        (State.OFF, Action.NOTHING),
    ),
    **_each("requested active silent gap error off", Sign.MISSING, (State.GONE, Action.NOTHING)),
}

PATIENCE: Mapping[State, timedelta] = {
    State.REQUESTED: timedelta(minutes=5),  # HAPI was measured to need 3 to 5 s
    State.ERROR: timedelta(minutes=5),
    State.OFF: timedelta(minutes=5),
    State.GONE: timedelta(minutes=1),
    State.SILENT: timedelta(hours=1),
    State.REFUSED: timedelta(hours=1),
}
"""How long a state may last before `OVERDUE`; `absent`, `active` and `gap` have no such end."""


def next_step(state: State, sign: Sign) -> Step:
    """The state that follows, and what to do now."""
    return LIFE.get((state, sign), (state, Action.NOTHING))


def sign_of(
    found: Mapping[str, Any] | None,
    public_url: str,
    server: str,
    key: str,
    channel: str = REST_HOOK,
    topic: str | None = None,
    only_tagged: str | None = None,
) -> Sign:
    """What the server's copy of our Subscription says; None: it has none.

    Only channel, address, topic and tag are compared: servers change other elements, or hide the
    header.
    """
    if found is None:
        return Sign.MISSING
    there = _channel_of(found), _endpoint_of(found), _topic_of(found), _tag_of(found)
    tag = None if topic else only_tagged
    if there != (channel, endpoint(public_url, server, key), topic, tag):
        return Sign.DIFFERS
    said = {
        "requested": Sign.SAYS_REQUESTED,
        "active": Sign.SAYS_ACTIVE,
        "error": Sign.SAYS_ERROR,
    }
    return said.get(str(found.get("status")), Sign.SAYS_OFF)


def expires(
    found: Mapping[str, Any], since: datetime, now: datetime, renew: timedelta | None
) -> bool:
    """Will the server drop it soon? `renew`: how long this make of server is known to keep one.

    Else by its own `end`: when four fifths of the time are over. The time begins when the server
    last changed it; `since`, when we saw that it was active, where the server does not say.
    """
    meta = found.get("meta")
    began = (isinstance(meta, Mapping) and instant(meta.get("lastUpdated"))) or since
    if renew is not None and now - began >= renew:
        return True
    end = instant(found.get("end"))
    return end is not None and now - began >= (end - began) * 0.8


def heartbeat(found: Mapping[str, Any]) -> timedelta | None:
    """How long the server's copy of a topic Subscription may be without any word; None: for ever.

    Theirs, not ours: a server may set another period, or drop the extension.
    """
    channel = found.get("channel")
    listed = channel.get("extension") if isinstance(channel, Mapping) else None
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, Mapping) and each.get("url") == _HEARTBEAT:
            seconds = each.get("valueUnsignedInt")
            if isinstance(seconds, int) and 0 < seconds <= _LONGEST_HEARTBEAT:
                return timedelta(seconds=seconds)
    return None


def is_overdue(state: State, since: datetime, now: datetime) -> bool:
    """Has the state lasted longer than it may? `since`: when it was entered."""
    return state in PATIENCE and now - since >= PATIENCE[state]


def _own_tag(instance: str, server: str, type_: str) -> dict[str, str]:
    return {"system": f"urn:fhirbridge:{instance}:subscription", "code": f"{server}/{type_}"}


def _endpoints(public_url: str, server: str) -> str:
    return f"{public_url.rstrip('/')}/notify/{server}/"


def _channel_of(subscription: Mapping[str, Any]) -> object:
    channel = subscription.get("channel")
    return channel.get("type") if isinstance(channel, Mapping) else None


def _topic_of(subscription: Mapping[str, Any]) -> str | None:
    """A topic stands in `criteria` by its address, a search by a type."""
    criteria = subscription.get("criteria")
    return criteria if isinstance(criteria, str) and ":/" in criteria.split("?")[0] else None


def _tag_of(subscription: Mapping[str, Any]) -> str | None:
    criteria = subscription.get("criteria")
    asked = criteria.partition("?")[2] if isinstance(criteria, str) else ""
    return dict(parse_qsl(asked)).get("_tag")


def _endpoint_of(subscription: Mapping[str, Any]) -> str | None:
    channel = subscription.get("channel")
    there = channel.get("endpoint") if isinstance(channel, Mapping) else None
    return there if isinstance(there, str) else None
