"""Workers on other machines: Celery over a real Redis, the store on a real PostgreSQL."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import redis
import yaml

from fhirbridge import worker
from fhirbridge.settings import Settings
from tests.chaos.processes import command
from tests.journeys.hospital import Hospital, hospital, until
from tests.servers import postgres_server, redis_server

PROGRAM = """
import sys
from pathlib import Path
from datetime import UTC, datetime, timedelta
from fhirbridge import logs, settings, wiring, worker
logs.set_up()
found = settings.read(Path(sys.argv[1]), {})
offset = timedelta(seconds=float(sys.argv[2]))
worker.run(found, wiring.wire(found, clock=lambda: datetime.now(UTC) + offset))
"""


@contextmanager
def celery(estate: Hospital, folder: Path) -> Iterator[None]:
    """A worker process of the estate's configuration."""
    config = folder / "worker.yaml"
    said = estate.settings.model_dump(mode="json", exclude_defaults=True)
    config.write_text(yaml.safe_dump(said), encoding="utf-8")
    offset = (estate.bridge.clock() - datetime.now(UTC)).total_seconds()
    log = folder / "worker.log"
    with log.open("wb") as output:
        command = [sys.executable, "-c", PROGRAM, str(config), str(offset)]
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{error}; the worker said: {log.read_text()}") from None
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_a_worker_finishes_the_work_with_redis_and_without(tmp_path: Path) -> None:
    with ExitStack() as stack:
        store = stack.enter_context(postgres_server())
        broker = stack.enter_context(ExitStack())
        url = broker.enter_context(redis_server())
        wake = worker.waker(Settings(broker=url, instance="test"))
        estate = stack.enter_context(
            hospital(tmp_path, workers=0, wake=wake, store=store, broker=url)
        )
        stack.enter_context(celery(estate, tmp_path))
        estate.people()
        estate.put("ehr", estate.order(), estate.visit())
        estate.put("pharmacy", estate.dispense(mg=300))
        until(lambda: "dispense-short" in estate.rules(), timeout=40)
        broker.close()  # Redis is gone, with all that it knew
        estate.put("pharmacy", estate.dispense("e", mg=300))
        until(lambda: "dispense-short" not in estate.rules(), timeout=40)


def test_a_worker_reads_its_configuration_again_and_shows_its_metrics(tmp_path: Path) -> None:
    config, log = tmp_path / "fhirbridge.yaml", tmp_path / "worker.log"
    call = [sys.executable, "-c", "from fhirbridge.cli import main; main()", "worker"]
    call += ["--config", str(config), "--metrics-port", "0"]
    with ExitStack() as stack:
        broker = stack.enter_context(redis_server())

        def configure(**more: object) -> None:
            ehr = {"base_url": "http://127.0.0.1:9/fhir", "holds": ["worklist"]}
            store = f"sqlite:///{tmp_path}/x.db"
            said = {"servers": {"ehr": ehr}, "broker": broker, "store": store, **more}
            config.write_text(yaml.safe_dump(said), encoding="utf-8")

        def says(text: str) -> bool:
            return text in log.read_text()

        configure()
        output = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(call, stdout=output, stderr=output, cwd=tmp_path)
        stack.callback(process.kill)
        until(lambda: says("worker_started"), timeout=40)
        found = re.search(r"metrics at (\S+)", log.read_text())
        assert found
        url = found[1]
        assert "fhirbridge_decisions" in httpx.get(url).text

        def reloads(text: str) -> None:
            process.send_signal(signal.SIGHUP)
            until(lambda: says(text), timeout=40)

        config.write_text("servers: {ehr: {base_url: nowhere}}")
        reloads("configuration_refused")
        assert httpx.get(url).status_code == 200
        configure(public_url="https://fhirbridge.example", management_token="0123456789abcdef")
        reloads("configuration_read_again")
        until(lambda: httpx.get(url).status_code == 401, timeout=40)
        bearer = {"Authorization": "Bearer 0123456789abcdef"}
        assert "fhirbridge_decisions" in httpx.get(url, headers=bearer).text
        process.terminate()
        assert process.wait(30) == 0, log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_ends_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C too: Celery calls that a failure, and it was taken for a broker that is gone."""
    with ExitStack() as stack:
        broker = stack.enter_context(redis_server())
        said = {
            "servers": {"ehr": {"base_url": "http://127.0.0.1:9/fhir", "holds": ["worklist"]}},
            "store": f"sqlite:///{tmp_path}/bridge.db",
            "broker": broker,
        }
        (tmp_path / "fhirbridge.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
        worker_ = command("worker", tmp_path, "worker")
        stack.callback(worker_.kill)
        worker_.start()
        until(lambda: _listens(broker), timeout=40)
        assert worker_.alive
        worker_.signal(number)
        until(lambda: worker_.ended, timeout=20)


def _listens(broker: str) -> bool:
    """Does some worker wait at Redis?"""
    return any(each["cmd"] == "brpop" for each in redis.from_url(broker).client_list())
