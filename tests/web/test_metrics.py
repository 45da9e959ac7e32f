"""What is measured, and that the alert rules ask for nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from fhirbridge import yamlfile
from fhirbridge.bridge.story import Failed
from fhirbridge.fhir.subscription import State
from fhirbridge.store import Numbered, Store, SubscriptionRow, Unwritable
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import Answer, Estate, order, people, visit
from tests.store.support import START, at, delivery, names, news

ALERTS = Path(__file__).parents[2] / "docs" / "alerts.yaml"


def test_events_that_did_not_come_are_counted(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/x.db", ids=names())
    meter = Metrics(store, lambda: at(90))
    for number in (1, 4, 7):
        numbered = Numbered("Task", "t-1", (number,), None)
        store.hear([delivery(news(str(number)), numbered=numbered)], START)
    assert 'fhirbridge_missing_events{source="ehr",type="Task"} 4.0' in text(meter)
    store.close_gap(store.gaps(START)[0], at(1))
    assert "fhirbridge_missing_events{" not in text(meter)
    store.close()


def test_a_subscription_shows_one_state_and_how_long_it_is_silent(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/x.db", ids=names())
    meter = Metrics(store, lambda: at(90))
    row = SubscriptionRow("ehr", "Task", "k", "s", None, None, "requested", START)
    store.save_subscription(row)
    assert 'fhirbridge_subscription{source="ehr",state="requested",type="Task"} 1' in text(meter)
    store.forget_subscription("ehr", "Task")
    row = SubscriptionRow("ehr", "Task", "k", "s", None, None, "active", START)
    store.save_subscription(row)
    shown = text(meter)
    assert "requested" not in shown
    assert 'state="active",type="Task"} 1.0' in shown
    assert 'fhirbridge_silent_seconds{source="ehr",type="Task"} 90.0' in shown
    store.close()


def test_lag_is_told_of_each_configured_source(estate: Estate) -> None:
    bridge = estate.bridge
    meter = Metrics(bridge.store, estate.clock, bridge.sources.values())
    bridge.watcher = meter
    bridge.store.advance("gone", "Task", START)  # a server that is no longer configured
    assert 'fhirbridge_lag_seconds{source="ehr"} +Inf' in text(meter)
    estate.put("ehr", order())
    bridge.start()
    estate.work()
    estate.clock.now += timedelta(minutes=10)
    shown = values(meter)
    assert 600 <= shown['fhirbridge_lag_seconds{source="ehr"}'] < 605
    assert 600 <= shown['fhirbridge_newest_change_seconds{source="ehr"}'] < 605
    assert not [name for name in shown if "gone" in name]
    heard = 'fhirbridge_heard_after_seconds_count{dialect="rest-hook",source="ehr"}'
    assert shown[heard] == 1
    # A notification that comes late is seen to be late, a doubled one is not counted.
    late = estate.put("ehr", visit(), tell=False)
    estate.clock.now += timedelta(seconds=20)
    estate.tell("ehr", late)
    estate.tell("ehr", late)
    shown = values(meter)
    assert shown[heard] == 2
    assert 20 <= shown[heard.replace("_count", "_sum")] < 21


@pytest.mark.parametrize("ahead", [timedelta(hours=-2), timedelta(hours=2)])
def test_lag_is_told_by_the_clock_of_the_source(tmp_path: Path, ahead: timedelta) -> None:
    """A clock that is behind would look like a lag, one that is ahead would hide it."""
    estate = Estate(tmp_path)
    ehr, bridge = estate.servers["ehr"], estate.bridge

    def around(request: httpx.Request, go: Answer) -> httpx.Response:
        answer = go(request)
        answer.headers["date"] = format_datetime(estate.clock() + ahead, usegmt=True)
        return answer

    ehr.around = around
    ehr.shelf._clock = lambda: estate.clock() + ahead  # it dates changes by its own clock, too
    people(estate)
    meter = Metrics(bridge.store, estate.clock, bridge.sources.values())
    bridge.watcher = meter
    bridge.start()
    estate.work()
    told = estate.put("ehr", order(), tell=False)
    estate.clock.now += timedelta(seconds=20)
    estate.tell("ehr", told)
    estate.clock.now += timedelta(minutes=10)
    shown = values(meter)
    for name in ("lag", "newest_change"):
        assert 600 <= shown[f'fhirbridge_{name}_seconds{{source="ehr"}}'] < 640
    assert 18 <= shown['fhirbridge_heard_after_seconds_sum{dialect="rest-hook",source="ehr"}'] < 23
    estate.close()


def test_decisions_conflicts_and_requests_are_counted(estate: Estate) -> None:
    bridge = estate.bridge
    meter = Metrics(bridge.store, estate.clock, bridge.sources.values())
    bridge.watcher = meter
    estate.put("ehr", order())
    estate.clock.now += timedelta(seconds=40)
    busy = iter([409])

    def around(request: httpx.Request, go: Answer) -> httpx.Response:
        status = next(busy, None) if str(request.url).rstrip("/").endswith("/fhir") else None
        return httpx.Response(status) if status else go(request)

    estate.servers["ehr"].around = around
    assert values(meter)["fhirbridge_oldest_due_seconds"] >= 40
    estate.work()
    shown = values(meter)
    assert shown["fhirbridge_conflicts_total"] == 1
    assert shown['fhirbridge_decisions_total{watched="yes"}'] == 2
    assert shown["fhirbridge_decided_after_seconds_sum"] >= 80
    assert shown["fhirbridge_requests_per_read_count"] == 2
    assert any(name.startswith("fhirbridge_findings_total{rule=") for name in shown)
    assert shown["fhirbridge_due"] == 0


def test_what_this_process_counted_is_shown_while_the_store_is_gone(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just then an alert must see that deliveries are not kept."""
    bridge = estate.bridge
    meter = Metrics(bridge.store, estate.clock, bridge.sources.values())
    bridge.watcher = meter
    estate.put("ehr", order())
    assert values(meter)["fhirbridge_store_up"] == 1

    def gone(_: object) -> None:
        raise Unwritable("the database does not answer")

    for name in ("counts", "subscriptions", "watermarks", "gaps"):
        with monkeypatch.context() as patch:
            patch.setattr(
                bridge.store, name, gone if name in ("counts", "gaps") else lambda: gone(0)
            )
            meter.refused(503)
            shown = values(meter)
        assert shown["fhirbridge_store_up"] == 0
        assert math.isnan(shown["fhirbridge_due"])  # neither well nor bad: it is not known
    assert shown['fhirbridge_refusals_total{status="503"}'] == 4
    assert values(meter)["fhirbridge_store_up"] == 1
    assert values(meter)["fhirbridge_due"] == 1


def test_what_alerts_ask_for_is_there_before_it_happens(estate: Estate) -> None:
    """Prometheus sees no increase in a series that begins with its first event."""
    shown = values(Metrics(estate.bridge.store, estate.clock, estate.bridge.sources.values()))
    assert shown['fhirbridge_refusals_total{status="503"}'] == 0
    assert shown['fhirbridge_refusals_total{status="401"}'] == 0
    assert shown['fhirbridge_failed_total{error="Forbidden",parked="no"}'] == 0
    assert shown['fhirbridge_unread_total{error="Forbidden",source="payer"}'] == 0
    assert shown["fhirbridge_conflicts_total"] == 0


def test_every_state_in_which_only_polls_find_changes_has_its_alert() -> None:
    (group,) = yamlfile.load(ALERTS).data["groups"]
    expr = next(
        each["expr"] for each in group["rules"] if each["alert"] == "FhirbridgeSubscription"
    )
    (states,) = re.findall(r'state=~"([a-z|]+)"', expr)
    on_the_way = {State.ABSENT, State.REQUESTED}  # they end as active or as refused
    assert set(states.split("|")) == set(State) - on_the_way - {State.ACTIVE}


#: What docs and the dashboards of sites may rely on (issue: metrics).
PROMISED = """
    deliveries_total refusals_total heard_after_seconds lag_seconds newest_change_seconds due
    oldest_due_seconds decisions_total decided_after_seconds findings_total requests_per_read
    parked conflicts_total store_up subscription silent_seconds unread_total written_total
    failed_total
"""


#: Prometheus' own series: whether a process of ours answered.
UP = 'min by (instance) (up{job="fhirbridge"}) == 0'


def test_the_alerts_ask_for_what_is_measured(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/x.db", ids=names())
    meter = Metrics(store, lambda: START)
    meter(Failed("ehr:Patient/p-1", "Conflict", False))
    measured = set(re.findall(r"^# TYPE (\S+)", text(meter), re.M))
    store.close()
    assert {f"fhirbridge_{name}" for name in PROMISED.split()} <= measured
    (group,) = yamlfile.load(ALERTS).data["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"])
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        if rule["expr"] == UP:
            continue
        asked = {
            re.sub(r"_(bucket|sum|count)$", "", name)
            for name in re.findall(r"fhirbridge_\w+", rule["expr"])
        }
        assert asked
        assert asked <= measured, rule["alert"]
        assert rule["annotations"]["do"]
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
        parsed(rule["expr"])


def test_the_example_for_prometheus_scrapes_with_the_token() -> None:
    found = yamlfile.load(ALERTS.parents[1] / "deploy" / "prometheus.yaml").data
    (job,) = found["scrape_configs"]
    assert f'job="{job["job_name"]}"' in UP
    assert job["metrics_path"] == "/metrics"
    assert job["authorization"].keys() == {"type", "credentials_file"}
    assert found["rule_files"]


_TOKEN = re.compile(
    r'\s*("[^"]*"|\d+(?:\.\d+)?(?=[^\w]|$)|\[\d+[smhd]\]|=~|!~|!=|==|>=|<=|[><=(){},]|\w+)'
)
_FUNCTIONS = {"absent", "sum", "max", "min", "increase", "rate", "histogram_quantile"}


def parsed(expression: str) -> None:
    """Is this PromQL, as far as the alerts use it? promtool itself comes with Prometheus only.

    comparison := value operator number; value := function [by (labels)] (arguments) | series
    """
    tokens, at = [], 0
    while at < len(expression.rstrip()):
        match = _TOKEN.match(expression, at)
        assert match, f"{expression}: {expression[at:]}"
        tokens.append(match[1])
        at = match.end()
    tokens.append("end")

    def take(*wanted: str) -> str:
        assert not wanted or tokens[0] in wanted, f"{expression}: {tokens[0]}, not {wanted}"
        return tokens.pop(0)

    def listed(close: str, one: Callable[[], None]) -> None:
        one()
        while take(",", close) == ",":
            one()

    def matcher() -> None:
        assert take().isidentifier()
        take("=", "=~", "!=", "!~")
        assert take().startswith('"')

    def value() -> None:
        name = take()
        if name in _FUNCTIONS:
            if tokens[0] == "by":
                take()
                take("(")
                listed(")", lambda: assert_label(take()))
            take("(")
            listed(")", value)
        elif not re.fullmatch(r"[\d.]+", name):
            assert name.startswith("fhirbridge_"), f"{expression}: {name} is no function"
            if tokens[0] == "{":
                take()
                listed("}", matcher)
            if tokens[0].startswith("["):
                take()

    value()
    if tokens[0] != "end":
        take(">", "<", ">=", "<=", "==", "!=")
        float(take())
    take("end")


def assert_label(name: str) -> None:
    assert name.isidentifier()


@pytest.mark.parametrize(
    "wrong",
    ["sum(fhirbridge_due", "fhirbridge_due >", "fhirbridge_due{a=b}", "summ(fhirbridge_due)"],
)
def test_what_is_no_promql_is_seen(wrong: str) -> None:
    with pytest.raises((AssertionError, ValueError, IndexError)):
        parsed(wrong)


def text(meter: Metrics) -> str:
    return meter.text().decode()


def values(meter: Metrics) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text(meter).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}
