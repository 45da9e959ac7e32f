"""What is measured, and that the alert rules ask for nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from fhirbridge import yamlfile
from fhirbridge.bridge.story import Failed
from fhirbridge.store import Numbered, Store, SubscriptionRow
from fhirbridge.web.metrics import Metrics
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


def test_the_alerts_ask_for_what_is_measured(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/x.db", ids=names())
    meter = Metrics(store, lambda: START)
    meter(Failed("ehr:Patient/p-1", "Conflict", False))
    names_shown = set(re.findall(r"^# TYPE (\S+)", text(meter), re.M))
    store.close()
    (group,) = yamlfile.load(ALERTS).data["groups"]
    for rule in group["rules"]:
        asked = set(re.findall(r"fhirbridge_\w+", rule["expr"]))
        assert asked
        assert asked <= names_shown, rule["alert"]
        assert rule["annotations"]["do"]


def text(meter: Metrics) -> str:
    return meter.text().decode()
