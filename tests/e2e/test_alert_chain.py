"""From a number at /metrics to a message at a webhook: real Prometheus, real Alertmanager, what ships for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry.bundle import BOOSTER
from tests.exposition_sample import CANARY, MODEL
from tests.prometheus_server import Prometheus, Webhook, alertmanager, exposition, prometheus, webhook
from tests.served import ROOT, serve, stop
from tests.versions import another_version

RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
RUNBOOK_QUERIES = "\n".join(re.findall(r"^```promql\n(.*?)^```", RUNBOOK, flags=re.M | re.S)).split("\n")


@dataclass(frozen=True)
class Chain:
    """A running one."""

    prometheus: Prometheus
    webhook: Webhook


@contextmanager
def watching(target: str, folder: Path) -> Iterator[Chain]:
    """Prometheus and Alertmanager that watch `target` (host and port) and tell a webhook."""
    with ExitStack() as stack:
        hook = stack.enter_context(webhook())
        told = stack.enter_context(alertmanager(folder, hook.url))
        yield Chain(stack.enter_context(prometheus(folder, target, told)), hook)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """What is scraped is the sample: it shows hours of traffic and every alarm within seconds."""
    with exposition() as target, watching(target, tmp_path_factory.mktemp("loaded")) as chain:
        yield chain


@pytest.mark.parametrize("monitor", ["Drift", "Bias", "Error", "Coverage"])
def test_an_alarm_is_a_ticket_that_names_version_and_runbook(loaded: Chain, monitor: str) -> None:
    receiver, alert = loaded.webhook.until(f"Plumbline{monitor}Alarm")
    assert receiver == "ticket"
    assert (alert["labels"]["model"], alert["labels"]["version"]) == (MODEL, CANARY)
    assert CANARY in alert["annotations"]["summary"]
    assert alert["annotations"]["runbook_url"] == f"docs/operations.md#plumbline{monitor.lower()}alarm"


def test_drift_of_the_fleet_names_the_feature_and_leaves_the_others_alone(loaded: Chain) -> None:
    loaded.webhook.until("PlumblineFleetDrift")
    loaded.prometheus.until('ALERTS{alertname="PlumblineFleetDrift", alertstate="firing", feature="prediction"}')
    (found,) = loaded.prometheus.query(
        'count(ALERTS{alertname="PlumblineFleetDrift", feature="area_code"}) or vector(0)'
    )
    assert found["value"][1] == "0"


def test_a_plan_that_is_not_followed_is_told(loaded: Chain) -> None:
    assert loaded.webhook.until("PlumblineGenerationNotFollowed")[0] == "ticket"


def test_an_old_model_is_for_knowing_only(loaded: Chain) -> None:
    assert loaded.webhook.until("PlumblineModelOld")[0] == "info"


@pytest.mark.parametrize("query", sorted({query for query in RUNBOOK_QUERIES if query}))
def test_every_query_of_the_runbook_can_be_asked(loaded: Chain, query: str) -> None:
    loaded.prometheus.query(query)


def test_the_real_service_refuses_a_version_then_dies_and_both_are_told(
    home: Path, bundle_directory: Path, tmp_path: Path, row: dict[str, Any]
) -> None:
    folder = tmp_path / "watch"
    folder.mkdir()
    with (
        serve(home, tmp_path, PLUMBLINE_WATCH_SECONDS="0.2") as running,
        watching(running.url.removeprefix("http://"), folder) as chain,
    ):
        assert httpx.post(f"{running.url}/predict", json={"features": row}).status_code == 200
        chain.prometheus.until('plumbline_requests_total{endpoint="/predict", code="ok"} > 0')
        broken = another_version(bundle_directory, running.home / "models" / "house_prices")
        (running.home / "models" / "house_prices" / broken / BOOSTER).write_bytes(b"not a model")
        plan = running.home / "plumbline" / "house_prices" / "rollout.json"
        plan.write_text(json.dumps({**json.loads(plan.read_text()), "generation": 2, "stable": broken}))

        receiver, alert = chain.webhook.until("PlumblineVersionRefused")
        assert receiver == "ticket"
        assert alert["labels"]["reason"] == "corrupt"
        assert alert["annotations"]["runbook_url"] == "docs/operations.md#plumblineversionrefused"
        assert httpx.post(f"{running.url}/predict", json={"features": row}).status_code == 200

        stop(running.process)
        receiver, alert = chain.webhook.until("PlumblineDown")
        assert receiver == "page"
        assert alert["annotations"]["runbook_url"] == "docs/operations.md#plumblinedown"
