"""Kubernetes' quantities."""

from __future__ import annotations

import pytest

from deploy.checks import quantities


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", 0.5),
        ("2", 2),
        (2, 2),
        ("768Mi", 768 * 2**20),
        ("1Gi", 2**30),
        ("1e3", 1000),
        ("0.5", 0.5),
        ("1k", 1000),
    ],
)
def test_a_quantity_is_read(text: object, number: float) -> None:
    assert quantities.parse(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["768MiB", "1 Gi", "", "-1", "m", None, True, "1,5", "0x10", "10kb"])
def test_what_is_no_quantity_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantities.parse(text)
