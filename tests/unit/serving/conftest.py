"""The service in this process, started once for all tests that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.inprocess import InProcess, in_process


@pytest.fixture(scope="module")
def house(home: Path) -> Iterator[InProcess]:
    """The service with its default settings and without a cache, every version live."""
    with in_process(PLUMBLINE_CACHE_URL="off") as running:
        yield running
