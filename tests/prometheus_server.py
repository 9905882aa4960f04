"""A real Prometheus and a real Alertmanager on loopback with what ships for them; only waits are shorter and addresses
are the test's own."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.exposition_sample import Sample
from tests.loopback import listening
from tests.programs import program
from tests.served import ROOT, free_port

MONITORING = ROOT / "monitoring"
START_SECONDS = 30
SCRAPE = "250ms"
SECONDS_A_SCRAPE = 30.0


class Prometheus:
    """A running one.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now, each with `metric` and `value`.

        Raises:
            AssertionError: Prometheus refuses it.
        """
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=20)
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def until(self, expression: str, seconds: float = 60) -> list[dict[str, Any]]:
        """Poll until an expression gives series.

        Raises:
            AssertionError: it gives none within the time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.query(expression)
            if found:
                return found
            time.sleep(0.2)  # between polls
        raise AssertionError(f"no series within {seconds} s: {expression}")


@dataclass
class Webhook:
    """What Alertmanager sent.

    Args:
        url: its address, to which the receivers' names are added.
        received: (receiver, alert) in the order of arrival.
    """

    url: str = ""
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    more: threading.Condition = field(default_factory=threading.Condition)

    def add(self, path: str, body: bytes) -> None:
        """Keep a message."""
        with self.more:
            self.received += [(path.strip("/"), alert) for alert in json.loads(body)["alerts"]]
            self.more.notify_all()

    def until(self, name: str, status: str = "firing", seconds: float = 60) -> tuple[str, dict[str, Any]]:
        """The first alert of this name and status, and who got it; waits for it.

        Raises:
            AssertionError: it did not come within the time.
        """
        with self.more:
            self.more.wait_for(lambda: self._of(name, status), timeout=seconds)
            came = sorted({alert["labels"]["alertname"] for _, alert in self.received})
            assert self._of(name, status), f"{name} is not {status} within {seconds} s; what came: {came}"
            return self._of(name, status)[0]

    def _of(self, name: str, status: str) -> list[tuple[str, dict[str, Any]]]:
        return [
            (receiver, alert)
            for receiver, alert in self.received
            if alert["labels"]["alertname"] == name and alert["status"] == status
        ]


@contextmanager
def exposition() -> Iterator[str]:
    """Serves the sample under /metrics; every scrape sees 30 more seconds of traffic. Gives host and port."""
    sample, lock = Sample(), threading.Lock()

    def get(path: str) -> bytes:
        with lock:
            sample.seconds += SECONDS_A_SCRAPE
            return sample.text()

    with _listening(get) as address:
        yield address


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A receiver of alerts."""
    hook = Webhook()
    with _listening(post=hook.add) as address:
        hook.url = f"http://{address}"
        yield hook


@contextmanager
def prometheus(folder: Path, target: str, alertmanager: str = "127.0.0.1:9") -> Iterator[Prometheus]:
    """A Prometheus with the shipped configuration, rules and alerts that scrapes `target` (host and port).

    Args:
        folder: where its files go.
        alertmanager: host and port of the one that it tells.
    """
    config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE}
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [alertmanager]}]
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [target]}]
    for name in config["rule_files"]:
        rules = yaml.safe_load((MONITORING / "prometheus" / name).read_text())
        for group in rules["groups"]:
            group.pop("interval", None)
            for rule in group["rules"]:
                rule.update({"for": "1s"} if rule.get("for", "0m") != "0m" else {})
        (folder / name).write_text(yaml.safe_dump(rules))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [program("prometheus", "prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    with _running(command, folder / "prometheus.log", f"http://{address}/-/ready"):
        yield Prometheus(f"http://{address}")


@contextmanager
def alertmanager(folder: Path, receiver: str) -> Iterator[str]:
    """An Alertmanager with the shipped routes whose receivers are at the address `receiver`. Gives host and port."""
    config = yaml.safe_load((MONITORING / "alertmanager" / "alertmanager.yml").read_text())
    for route in [config["route"], *config["route"]["routes"]]:
        route.update({"group_wait": "100ms", "group_interval": "500ms"})
    for each in config["receivers"]:
        each["webhook_configs"][0]["url"] = f"{receiver}/{each['name']}"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [program("prometheus-alertmanager", "prometheus-alertmanager"), "--cluster.listen-address="]
    command += [f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'alerts'}"]
    command += [f"--web.listen-address={address}"]
    with _running(command, folder / "alertmanager.log", f"http://{address}/-/ready"):
        yield address


@contextmanager
def _running(command: list[str], log: Path, ready: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(ready):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.1)  # between polls; nothing else tells when it is ready
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def _listening(
    get: Callable[[str], bytes] | None = None, post: Callable[[str, bytes], None] | None = None
) -> Iterator[str]:
    """An HTTP server on loopback in a thread of its own. Gives host and port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(get(self.path) if get else b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if post:
                post(self.path, body)
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with listening(Handler) as address:
        yield address
