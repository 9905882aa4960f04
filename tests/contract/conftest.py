"""The service in this process, behind its front door and as BentoML's own app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import EXAMPLE
from tests.inprocess import InProcess, in_process


@pytest.fixture(scope="session")
def door(home: Path) -> Iterator[InProcess]:
    """What the world sees."""
    with in_process(PLUMBLINE_CACHE_URL="off") as running:
        yield running


@pytest.fixture(scope="session")
def typed(home: Path) -> Iterator[InProcess]:
    """BentoML's own app, without the front door."""
    with in_process(platform=True, PLUMBLINE_CACHE_URL="off") as running:
        running.wait_until_ready("POST", "/predict", json={"features": EXAMPLE})  # its own /readyz does not wait
        yield running
