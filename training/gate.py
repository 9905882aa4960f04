"""The gate: a version that does not reach its figures is not published."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from training.evaluate import Figures


@dataclass(frozen=True)
class Gate:
    """Thresholds on the test quarter, in percent unless said otherwise.

    `tolerance` is by how many points of MAPE a new version may be worse than the published one on the same quarter.
    Where targets are not all positive there are no relative errors: `max_mape` and `max_abs_bias` do not count, the
    other conditions are asked of MAE, and `tolerance` is in percent of it.
    """

    max_mape: float = 13.5
    max_abs_bias: float = 6.0
    min_coverage: float = 0.87
    max_coverage: float = 0.93
    tolerance: float = 0.3


@dataclass(frozen=True)
class Check:
    """One condition with the figure that met it or failed it."""

    name: str
    figure: float
    limit: str
    passed: bool


def check(gate: Gate, model: Figures, ridge: Figures, published: Figures | None) -> list[Check]:
    """Every condition, in the order in which they are reported.

    Args:
        gate: the thresholds.
        model, ridge: figures on the test quarter.
        published: figures of the published version on the same quarter; None if there is none to compare.
    """
    relative = "mape" in model
    error, unit = ("mape", " %") if relative else ("mae", "")
    checks = _relative_checks(gate, model) if relative else []
    below = Check(f"{error} beside ridge", model[error], f"below {ridge[error]:.2f}{unit}", model[error] < ridge[error])
    checks.append(below)
    if "coverage" in model:
        inside = gate.min_coverage <= model["coverage"] <= gate.max_coverage
        checks.append(Check("coverage", model["coverage"], f"{gate.min_coverage:g} to {gate.max_coverage:g}", inside))
    if published is not None:
        limit = published[error] + (gate.tolerance if relative else gate.tolerance / 100 * published[error])
        text = f"at most {limit:.2f}{unit}"
        checks.append(Check(f"{error} beside published", model[error], text, model[error] <= limit))
    return checks


def _relative_checks(gate: Gate, model: Figures) -> list[Check]:
    return [
        Check("mape", model["mape"], f"at most {gate.max_mape:g} %", model["mape"] <= gate.max_mape),
        Check("bias", model["bias"], f"within {gate.max_abs_bias:g} %", abs(model["bias"]) <= gate.max_abs_bias),
    ]


def summary(gate: Gate, checks: list[Check]) -> dict[str, Any]:
    """The gate's result as the manifest keeps it."""
    return {
        "passed": all(check.passed for check in checks),
        "thresholds": asdict(gate),
        "checks": [asdict(check) for check in checks],
    }
