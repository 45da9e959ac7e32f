"""Putting the parts together: `wire(settings) -> Bridge`, with real servers and a real store."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import holidays

from fhirbridge import mappings, signing, texts
from fhirbridge.bridge import ports
from fhirbridge.bridge.bridge import Bridge, Pace
from fhirbridge.bridge.deciding import Decider
from fhirbridge.bridge.gaps import Gaps
from fhirbridge.bridge.hearing import Concerns
from fhirbridge.bridge.makes import Make
from fhirbridge.bridge.sources import Source
from fhirbridge.bridge.story import Watcher, all_of, nobody
from fhirbridge.bridge.telling import tell
from fhirbridge.bridge.tracing import UNTRACED, Tracer
from fhirbridge.bridge.worklist import Worklist
from fhirbridge.bridge.writing import Writer
from fhirbridge.core.calendar import Calendar
from fhirbridge.core.facts import Party
from fhirbridge.core.findings import Role
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.holding import Patience
from fhirbridge.core.visits import AtSite
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.http import Transport
from fhirbridge.fhir.profile import Profile
from fhirbridge.fhir.sharing import Tokens
from fhirbridge.fhir.subscription import REST_HOOK, WEBSOCKET
from fhirbridge.fhir.tagged import Only
from fhirbridge.settings import Auth, Misconfigured, ServerSettings, Settings, is_loopback
from fhirbridge.store import Debounce, Store
from fhirbridge.supervisor import Supervisor
from fhirbridge.texts import Texts
from fhirbridge.yamlfile import nearest

#: The settle window of an installation that says nothing of it (docs/domain.md 3.1).
SETTLE = timedelta(minutes=15)
#: The quiet that ends a burst of news, of an installation that says nothing of it.
DEBOUNCE = timedelta(seconds=2)
#: Holidays are looked up for these years around today.
_YEARS = range(-1, 4)


def now() -> datetime:
    """The clock of a real installation."""
    return datetime.now(UTC)


def names() -> str:
    """Unguessable and unique: keys, secrets, leases."""
    return secrets.token_urlsafe(24)


def formulary(settings: Settings) -> Formulary:
    """The shipped mappings, the site's, and what the servers' sections say of visits."""
    found = _loaded(tuple(Path(folder) for folder in settings.mappings)).formulary
    visits = found.visits
    for name, server in settings.servers.items():
        for therapy in server.supply:
            if therapy not in found.therapies:
                raise Misconfigured(
                    f"servers.{name}.supply: no therapy is called “{therapy}”"
                    + nearest(therapy, found.therapies)
                )
        site = server.infusion_visits
        if site.service_type or site.locations:
            here = AtSite(frozenset(site.service_type), frozenset(site.locations))
            visits = visits.at(name, here)
    return Formulary(found.therapies.values(), visits)


@cache
def _texts(folders: tuple[Path, ...]) -> Texts:
    language = [folder / "tasks" / "en" for folder in (mappings.shipped(), *folders)]
    return texts.load([folder for folder in language if folder.is_dir()])


def words(settings: Settings) -> Texts:
    """The sentences: the shipped ones, and the site's own where it has them."""
    return _texts(tuple(Path(folder) for folder in settings.mappings))


@cache
def _loaded(folders: tuple[Path, ...]) -> mappings.Mappings:
    return mappings.load([mappings.shipped(), *folders])


def calendar(settings: Settings, today: date) -> Calendar:
    """The sites' zone and business days."""
    zone = ZoneInfo(settings.timezone) if settings.timezone else UTC
    if settings.holidays is None:
        return Calendar(zone)
    country, _, part = settings.holidays.partition("-")
    years = [today.year + n for n in _YEARS]
    days = holidays.country_holidays(country, subdiv=part or None, years=years)
    return Calendar(zone, frozenset(days))


def source(
    name: str,
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    retries: int = 2,
    transport: Transport | None = None,
    tokens: Tokens | None = None,
) -> Source:
    """One configured server, ready to be read. `tokens`: where processes share theirs."""
    server: ServerSettings = settings.servers[name]
    zone = server.timezone or settings.timezone
    tls = signing.trust(name, server)
    client = Server(
        name,
        server.base_url,
        auth=signing.sign_in(
            name, settings, clock=clock, ids=names, transport=transport, tls=tls, tokens=tokens
        ),
        timeout=server.timeout_seconds,
        retries=retries,
        clock=clock,
        transport=transport,
        tls=tls,
        at_once=server.requests_at_once // settings.processes,
        a_second=server.requests_per_second / settings.processes,
        only=Only(server.only_tagged),
    )
    return Source(
        server=client,
        make=make(name, settings, client),
        holds=frozenset(server.holds),
        channel={"push": REST_HOOK, "websocket": WEBSOCKET}.get(server.subscribe),
        websocket_url=server.websocket_url,
        topics=server.topics,
        zone=ZoneInfo(zone) if zone else None,
        owners={Role(role): Party(name, reference) for role, reference in server.owners.items()},
        supply=server.supply,
        only=Only(server.only_tagged),
        silent_after=(
            timedelta(hours=server.silent_after_hours) if server.silent_after_hours else None
        ),
    )


def make(name: str, settings: Settings, client: Server) -> Make:
    """What make of server one is. Raises `Misconfigured` for a profile that is not there."""
    known = _loaded(tuple(Path(folder) for folder in settings.mappings)).servers
    return Make(client, known, _profile(name, settings, known))


def check(settings: Settings) -> None:
    """Whether the names in a configuration are those of files that are there, as far as can be
    said without asking a server. Raises `Misconfigured` or `Invalid`."""
    formulary(settings)
    words(settings)
    told_to_patients(settings)
    known = _loaded(tuple(Path(folder) for folder in settings.mappings)).servers
    for name in settings.servers:
        _profile(name, settings, known)


def _profile(name: str, settings: Settings, known: Mapping[str, Profile]) -> Profile | None:
    named = settings.servers[name].profile
    if named is not None and named not in known:
        raise Misconfigured(
            f"servers.{name}.profile: there is no mappings/servers/{named}.yaml"
            + nearest(named, known)
        )
    profile = known[named] if named else None
    if profile and not profile.subscribing.authorization and settings.servers[name].auth != Auth():
        raise Misconfigured(
            f"servers.{name}.auth: {profile.title} refuses whoever signs in; leave auth out"
        )
    if profile and profile.shared and settings.servers[name].only_tagged is None:
        raise Misconfigured(
            f"servers.{name}.only_tagged: {profile.title} is everybody's; give the tag"
            " (“system|code”) that your own records carry, so that nobody else's are read"
        )
    return profile


def home_of(settings: Settings) -> str | None:
    """The server on which Tasks are written: the one that holds the worklist."""
    return next((name for name, each in settings.servers.items() if "worklist" in each.holds), None)


def decider(
    settings: Settings, known: Formulary, sources: Mapping[str, Source], *, today: date
) -> Decider:
    """The pure half; `audit` uses it without servers."""
    home = home_of(settings)
    own = settings.servers[home].write if home else None
    owners: dict[Role, Party] = {}
    supply: dict[str, str] = {}
    for each in sorted(sources.values(), key=lambda one: one.name == home):
        owners |= each.owners  # what the worklist's server says comes last, and stands
        supply |= each.supply
    return Decider(
        formulary=known,
        calendar=calendar(settings, today),
        home=home,
        instance=settings.instance,
        owners=owners,
        supply=supply,
        mode=own or settings.write.default,
        rule_modes=settings.write.rules,
        patience=patience(settings),
        reminders=settings.reminders,
        patients=told_to_patients(settings),
    )


def told_to_patients(settings: Settings) -> frozenset[str]:
    """The rules of which patients are told. Raises `Misconfigured` for one that has no words for
    them: a clinician's would frighten, and may speak of doses."""
    if not settings.tell_patients:
        return frozenset()
    spoken = words(settings).templates
    known = {rule for rule, each in spoken.items() if Role.PATIENT in each.audiences}
    for rule in settings.tell_patients:
        if rule not in known:
            raise Misconfigured(
                f"tell_patients: there are no words for patients about “{rule}”"
                f"{nearest(rule, known)}; there are for {', '.join(sorted(known))}"
            )
    return frozenset(settings.tell_patients)


def debounce(settings: Settings) -> Debounce:
    """How long a person's news waits for more. A test installation is worked on as it comes."""
    quiet = timedelta(seconds=settings.debounce_seconds or 0)
    if settings.debounce_seconds is None and not _is_near(settings):
        quiet = DEBOUNCE
    return Debounce(quiet, timedelta(seconds=settings.debounce_most_seconds))


def patience(settings: Settings) -> Patience:
    """How long changes settle, and how many new Tasks an owner gets in a day."""
    seconds = settings.settle_seconds
    window = SETTLE if seconds is None else timedelta(seconds=seconds)
    none = seconds is None and _is_near(settings)
    return Patience(window=timedelta(0) if none else window, most=settings.most_new_tasks)


def most_writes(settings: Settings) -> int | None:
    """Transactions for one person in an hour. A test installation is written to as it comes."""
    said = "most_writes" in settings.model_fields_set
    return settings.most_writes if said or not _is_near(settings) else None


def _is_near(settings: Settings) -> bool:
    """Do Tasks stay on this machine?"""
    home = home_of(settings)
    return home is None or is_loopback(settings.servers[home].base_url)


def tracer(settings: Settings) -> Tracer:
    """Where traces go. Raises `Misconfigured` when they are wanted and cannot be made."""
    if settings.traces is None:
        return UNTRACED
    try:
        from fhirbridge.traces import sent
    except ModuleNotFoundError:
        raise Misconfigured(
            "traces: OpenTelemetry is not installed: install fhirbridge[otel]"
            " (requirements/otel.txt), or leave traces out"
        ) from None
    how = settings.traces
    return sent(
        how.endpoint,
        headers={name: each.get_secret_value() for name, each in how.headers.items()},
        instance=settings.instance,
        ratio=how.ratio,
    )


def wire(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = now,
    ids: Callable[[], str] = names,
    watcher: Watcher = nobody,
    pace: Pace | None = None,
    retries: int = 2,
    transports: Mapping[str, Transport] | None = None,
    around: Callable[[ports.Server], ports.Server] = lambda server: server,
    traces: Tracer | None = None,
) -> Bridge:
    """A bridge of this configuration; `unwire` closes what is opened here.

    `retries`: of a read, inside the client, before a server counts as unavailable.
    `transports` replace the network of single servers (tests), `traces` where traces go. `around`
    may stand between the bridge and each server.
    Raises `yamlfile.Invalid` for mappings that cannot be used.
    """
    known, store = formulary(settings), Store(settings.store, ids=ids, debounce=debounce(settings))
    sources = {
        name: source(
            name,
            settings,
            clock=clock,
            retries=retries,
            transport=(transports or {}).get(name),
            tokens=signing.Kept(store),
        )
        for name in settings.servers
    }
    sources = {name: replace(each, server=around(each.server)) for name, each in sources.items()}
    made = decider(settings, known, sources, today=clock().date())
    token = settings.worklist_token
    return Bridge(
        sources=tuple(sources.values()),
        home=made.home,
        store=store,
        own=Worklist(store, clock, token.get_secret_value() if token else None),
        concerns=Concerns(known),
        decider=made,
        writer=Writer(
            settings.instance,
            words(settings),
            provenance=bool(made.home and settings.servers[made.home].attested),
        ),
        clock=clock,
        pool=ThreadPoolExecutor(max(4, 4 * len(sources)), thread_name_prefix="read"),
        identity=frozenset(settings.identity) or None,
        most_writes=most_writes(settings),
        pace=pace
        or Pace(
            sweep=timedelta(seconds=settings.sweep_seconds),
            poll=timedelta(seconds=settings.poll_seconds),
            lease=timedelta(seconds=settings.lease_seconds),
            keep=timedelta(days=settings.keep_days),
        ),
        watcher=all_of(tell, watcher) if settings.log_level == "debug" else watcher,
        tracer=traces or tracer(settings),
    )


def unwire(bridge: Bridge) -> None:
    """Close what `wire` opened, after the bridge has ended its work."""
    bridge.close()
    bridge.pool.shutdown()
    for each in bridge.sources.values():
        if isinstance(each.server, Server):
            each.server.close()
    if isinstance(bridge.store, Store):
        bridge.store.close()
    bridge.tracer.close()


def supervise(
    settings: Settings,
    bridge: Bridge,
    *,
    public_url: str | None = None,
    ids: Callable[[], str] = names,
) -> Supervisor:
    """The supervisor of a bridge. `public_url`: where servers reach us, if not as configured."""
    return Supervisor(
        bridge.sources.values(),
        bridge.store,
        instance=settings.instance,
        public_url=public_url or settings.public_url,
        clock=bridge.clock,
        ids=ids,
        gaps=Gaps(bridge.store, bridge.intake, bridge.missed, bridge.clock),
        watcher=lambda story: bridge.watcher(story),
    )
