"""What publishing does to the rollout plan: it writes the first one and never changes one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from registry import store
from registry.bundle import Bundle
from registry.manifest import Manifest
from registry.rollout import plan_file
from training.run import _publish

MODEL = "house_prices"


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A model store that takes whatever is published as the next version, v<number>."""
    versions: list[str] = []

    def publish(_manifest: Manifest, _files: object, _key: object) -> tuple[str, bool]:
        versions.insert(0, f"v{len(versions) + 1}")
        return versions[0], True

    monkeypatch.setattr(store, "versions", lambda _model: list(versions))
    monkeypatch.setattr(store, "publish", publish)
    monkeypatch.setenv("PLUMBLINE_ROLLOUT_PLAN", str(tmp_path / "rollout.json"))
    return versions


@pytest.fixture
def console() -> Console:
    """A console that remembers."""
    return Console(file=io.StringIO(), soft_wrap=True)


def said(console: Console) -> str:
    """What it was told to print."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_first_version_becomes_stable_and_later_ones_wait(
    stored: list[str], console: Console, bundle: Bundle
) -> None:
    assert _publish(console, bundle.manifest, {}) == "v1"
    assert "stable version, generation 1" in said(console)
    assert _publish(console, bundle.manifest, {}) == "v2"
    assert "v1 stays the stable version" in said(console)
    assert "python -m registry.rollout --model house_prices set-stable v2" in said(console)
    assert plan_file(MODEL).read().stable == "v1"


def test_what_served_without_a_plan_goes_on_serving(stored: list[str], console: Console, bundle: Bundle) -> None:
    stored[:] = ["served", "older"]
    _publish(console, bundle.manifest, {})
    assert plan_file(MODEL).read().stable == "served"


def test_a_spoilt_plan_does_not_undo_a_publication(stored: list[str], console: Console, bundle: Bundle) -> None:
    plan_file(MODEL).path.write_text("{")
    assert _publish(console, bundle.manifest, {}) == "v1"
    assert "The rollout plan stays as it is" in said(console)
    assert plan_file(MODEL).path.read_text() == "{"
