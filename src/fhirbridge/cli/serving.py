"""Commands that stay: serve, worker, sandbox."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from . import ending
from .common import ConfigOption, Wrong, say_if_silent, warn, with_servers

if TYPE_CHECKING:
    from fhirbridge.bridge.bridge import Bridge
    from fhirbridge.settings import Settings
    from fhirbridge.supervisor import Supervisor

Host = Annotated[
    str | None,
    typer.Option(
        "--host",
        help="The address to listen at; by default only this machine's own, or all where public_url"
        " names another.",
        show_default=False,
    ),
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")]


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: fhirbridge serve --config fhirbridge.yaml --workers 4")(serve)
    app.command(epilog="Example: fhirbridge worker --config fhirbridge.yaml")(worker)
    app.command(epilog="Example: fhirbridge sandbox --port 8080 --data fixtures/common/ehr")(
        sandbox
    )


def serve(
    config: ConfigOption = None,
    host: Host = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="0 takes a free one; by default that of a public_url on this machine or with"
            " `tls`, else 8000.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Worker threads in this process.")
    ] = 2,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Only hear; Celery workers do the work.")
    ] = False,
) -> None:
    """Hear notifications, work on them, show the console.

    SIGHUP reads the configuration again; a mistake in it is logged, and the old one stays.
    """
    from fhirbridge import logs, signing, wiring
    from fhirbridge.interpreter import undisturbed
    from fhirbridge.web.door import bound
    from fhirbridge.web.gate import Management
    from fhirbridge.web.service import Service, Signals

    from . import starting

    found = with_servers(config)
    logs.set_up(found.log_level, form=found.log)
    usual = listens_at(found.public_url, direct=found.tls is not None)
    at = host or usual[0]
    made, wake = starting.ready(found, no_worker, starting.wired)
    told = Signals()
    with bound(at, usual[1] if port is None else port) as listening, undisturbed():
        while True:
            with Service(
                made,
                host=at,
                listening=listening,
                workers=0 if no_worker else workers,
                supervise=partial(_supervised, found, made),
                wake=wake,
                jwks=partial(_published, found),
                management=Management.of(found, at),
                trusted_proxies=found.trusted_proxies,
                told=told,
                tls=signing.own_tls(found),
            ) as service:
                say = starting.teller(found)
                say(f"fhirbridge listens at {service.url}; servers reach it at {found.public_url}")
                say_if_silent(found, say)
                new = None
                while new is None and service.wait():
                    new = starting.again(config, no_worker)
                if new is None:
                    told.at_once_next_time()
                    say(ending.ENDING)
            wiring.unwire(made)
            if new is None:
                return
            found, made, wake = new
            logs.set_up(found.log_level, form=found.log)


def _published(found: Settings) -> dict[str, Any]:
    """Our public keys as they are now."""
    from fhirbridge import signing, wiring

    return signing.published(found, wiring.now())


def _supervised(found: Settings, made: Bridge, _: str) -> Supervisor:
    from fhirbridge import wiring

    return wiring.supervise(found, made)


def worker(
    config: ConfigOption = None,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, help="Threads of this worker.")
    ] = 2,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port", help="Show this worker's metrics there.", show_default="none"
        ),
    ] = None,
    metrics_host: Annotated[
        str, typer.Option("--metrics-host", help="The address to show them at.")
    ] = "127.0.0.1",
) -> None:
    """A Celery worker on the same store.

    Start as many as you want, on any machine. SIGHUP reads the configuration again; a mistake in
    it is logged, and the old one stays.
    """
    from contextlib import ExitStack

    from fhirbridge import logs
    from fhirbridge.interpreter import undisturbed
    from fhirbridge.web.gate import Management
    from fhirbridge.web.measuring import MetricsDoor

    from . import starting

    found = with_servers(config)
    logs.set_up(found.log_level, form=found.log)
    if found.broker is None:
        raise Wrong(
            "there is no `broker: redis://…`; without one, `fhirbridge serve` does the work"
        )
    from fhirbridge.worker import run

    say = starting.teller(found)
    say_if_silent(found, say)
    with ExitStack() as stack:
        door = None
        if metrics_port is not None:
            door = stack.enter_context(MetricsDoor(metrics_host, metrics_port))
            say(f"metrics at {door.url}/metrics")

        def ready(settings: Settings, made: Bridge) -> tuple[Settings, Bridge]:
            logs.set_up(settings.log_level, form=settings.log)
            if door is not None:
                door.show(made, Management.of(settings, metrics_host))
            return settings, made

        def again() -> tuple[Settings, Bridge] | None:
            new = starting.again(config, no_worker=True)
            return ready(new[0], new[1]) if new else None

        stack.enter_context(undisturbed())
        run(*ready(found, starting.wired(found)), again=again, concurrency=concurrency)


def sandbox(
    port: Port = 8080,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", metavar="PATH", help="Files or folders to begin with; repeatable."),
    ] = None,
) -> None:
    """An embedded FHIR R4 server alone, in memory."""
    import signal
    import threading

    from fhirbridge import logs
    from fhirbridge.sandbox import Sandbox
    from fhirbridge.web.door import cannot_listen

    logs.set_up("WARNING")
    for path in data or ():
        if not path.exists():
            raise Wrong(f"--data {path}: there is no such file or folder")
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    try:
        made = Sandbox(port=port)
    except OSError as error:
        raise Wrong(cannot_listen("127.0.0.1", port, error)) from None
    with made as server:
        count = server.load(data or ())
        warn(f"FHIR R4 at {server.base_url}, {count} resources; ends with Ctrl-C")
        while not told.wait(0.5):
            pass


def listens_at(public_url: str, *, direct: bool = False) -> tuple[str, int]:
    """Host and port to listen at. Who is reached by others listens to others; the port of a
    `public_url` on another machine is ours only where nobody is between (`direct`: we speak TLS
    ourselves), else a proxy's."""
    from fhirbridge.settings import is_loopback

    port = urlsplit(public_url).port
    if is_loopback(public_url):
        return "127.0.0.1", port or 8000
    return "0.0.0.0", (port if direct else None) or 8000
