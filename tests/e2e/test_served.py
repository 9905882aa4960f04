"""The service as a user has it: really served, two workers."""

from __future__ import annotations

from typing import Any

from tests.served import Served


def test_a_row_gets_a_price(served: Served, row: dict[str, Any], published: str) -> None:
    with served.client() as client:
        answer = client.post("/predict", json={"features": row}).json()
    assert answer["version"] == published
    assert answer["interval"]["low"] < answer["prediction"] < answer["interval"]["high"]
