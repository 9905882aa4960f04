"""`python -m monitoring.calibrate MODEL`: what the drift contract of a published version is worth.

Replays training rows and planted drift, and prints the measured rate of false alarms and, for each feature, the
smallest change that is seen within an hour and within a day at the contract's traffic. Options show what another
contract would give; nothing is changed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from monitoring.calibration import Codes, ContractUnsupported, Drift, Kind, check, delay, false_alarms
from monitoring.contract import Contract
from monitoring.profile import ColumnProfile, Profile

SIZES: dict[Kind, tuple[float, ...]] = {
    "shift": (0.1, 0.25, 0.5, 1.0),
    "missing": (0.03, 0.05, 0.1, 0.2),
    "points": (0.03, 0.05, 0.1, 0.2),
}
"""Planted changes, the smallest first."""

STATED: dict[Kind, float] = {"shift": 0.25, "missing": 0.05, "points": 0.05}
"""Changes whose delay is printed."""

STREAMS = 5
"""Each change is planted so often; the median delay counts."""


class Unreadable(Exception):
    """The version cannot be read; the message says why."""


@dataclass(frozen=True)
class Version:
    """What a calibration needs of a bundle."""

    name: str
    profile: Profile
    codes: Codes | None
    contract: Contract


@dataclass(frozen=True)
class Power:
    """How soon changes of one kind are seen in one column; None: not within a day."""

    column: str
    kind: Kind
    within_hour: float | None
    within_day: float | None
    rows: float | None


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0: the contract holds; 1: more false alarms than it allows, or too small a reference; 2: unreadable."""
    options = _options(arguments)
    try:
        version = read(options.bundle or _stored(options.model, options.version))
        contract = Contract.model_validate({**version.contract.model_dump(), **_overrides(options)})
    except (Unreadable, ValidationError) as error:
        print(f"Cannot calibrate: {error}")  # noqa: T201
        return 2
    holds = _report_rate(version, contract, options.days)
    for line in table(power(version, contract)):
        print(line, flush=True)  # noqa: T201
    return 0 if holds else 1


def read(directory: Path) -> Version:
    """What a bundle's folder says; files are checked against its manifest.

    Raises:
        Unreadable: a file is missing, changed, or of another format.
    """
    try:
        manifest: dict[str, Any] = json.loads((directory / "manifest.json").read_bytes())
        files = {
            name: (directory / name).read_bytes()
            for name in ("profile.json", "reference.npy")
            if name in manifest["files"]
        }
        for name, content in files.items():
            if hashlib.sha256(content).hexdigest() != manifest["files"][name]:
                raise Unreadable(f"{name} of {directory.name} was changed; publish the version again")
        profile = Profile.model_validate_json(files["profile.json"])
        rows = files.get("reference.npy")
        codes = None if rows is None else _codes(np.load(io.BytesIO(rows), allow_pickle=False), profile)
        return Version(directory.name, profile, codes, Contract.model_validate(manifest.get("contract", {})))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"{directory} holds no bundle that can be read ({type(error).__name__}: {error})") from error


def power(version: Version, contract: Contract) -> Iterator[Power]:
    """The power of every column and kind of change that it can have."""
    for i, column in enumerate(version.profile.columns):
        kinds: tuple[Kind, Kind] = ("shift" if column.kind == "number" else "points", "missing")
        for kind in kinds:
            yield _power(version, contract, i, column, kind)


def table(found: Iterator[Power]) -> Iterator[str]:
    """Markdown, line by line as figures come."""
    yield "| feature | change | smallest seen within an hour | within a day | stated change | rows until it rings |"
    yield "|---|---|---:|---:|---:|---:|"
    for one in found:
        cells = [_size(one.kind, one.within_hour), _size(one.kind, one.within_day), _size(one.kind, STATED[one.kind])]
        rows = "not within a day" if one.rows is None else f"{one.rows:,.0f}"
        yield "| " + " | ".join([one.column, one.kind, *cells, rows]) + " |"


def _power(version: Version, contract: Contract, i: int, column: ColumnProfile, kind: Kind) -> Power:
    day, hour = contract.rows_per_day, contract.rows_per_day / 24
    rows: dict[float, float] = {}
    for size in reversed(SIZES[kind]):
        delays = [
            delay(version.profile, version.codes, contract, i, Drift(kind, size), day, seed) for seed in range(STREAMS)
        ]
        middle = sorted(np.inf if rows_ is None else float(rows_) for rows_ in delays)[STREAMS // 2]
        if not np.isfinite(middle):
            break  # nothing smaller is seen either
        rows[size] = middle
    return Power(
        column=column.name,
        kind=kind,
        within_hour=min((size for size, needed in rows.items() if needed <= hour), default=None),
        within_day=min(rows, default=None),
        rows=rows.get(STATED[kind]),
    )


def _report_rate(version: Version, contract: Contract, days: int) -> bool:
    looks = max(1, round(days * contract.checks_per_day))
    allowed = looks / contract.threshold
    rang = false_alarms(version.profile, version.codes, contract, looks, seed=1)
    lines = [
        f"Version {version.name}: {version.profile.rows:,} training rows, {len(version.profile.columns)} columns.",
        f"Contract: at most one false alarm in {contract.false_alarm_days:g} days at {contract.rows_per_day:,} rows a "
        f"day, looked at every {contract.check_rows} rows; movements under {contract.ignore_below:.1%} are ignored.",
        f"Replayed {days} days without drift ({looks:,} looks): {rang} false alarms; allowed are {allowed:.1f}.",
    ]
    supported = True
    try:
        check(version.profile, version.codes, contract)
    except ContractUnsupported as error:
        supported = False
        lines.append(f"Not supported: {error}.")
    print("\n".join(lines) + "\n", flush=True)  # noqa: T201
    return supported and rang <= allowed


def _codes(codes: Any, profile: Profile) -> Codes:
    sizes = np.array([len(column.labels) for column in profile.columns])
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != len(sizes) or (codes >= sizes).any():
        raise ValueError("reference.npy does not fit the profile")
    found: Codes = codes
    return found


def _stored(model: str | None, version: str) -> Path:
    import bentoml
    from bentoml.exceptions import BentoMLException

    if model is None:
        raise Unreadable("name a model, or a bundle's folder with --bundle")
    try:
        return Path(bentoml.models.get(f"{model}:{version}").path)
    except BentoMLException as error:
        raise Unreadable(f"the model store holds no {model}:{version}; train one with: python -m training") from error


def _size(kind: Kind, size: float | None) -> str:
    if size is None:
        return "none"
    return f"{size:g} sd" if kind == "shift" else f"{size:.0%}" if kind == "missing" else f"{100 * size:.0f} points"


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name in Contract.model_fields if (value := getattr(options, name)) is not None}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m monitoring.calibrate", description=__doc__)
    parser.add_argument("model", nargs="?", help="name in the BentoML model store")
    parser.add_argument("--version", default="latest")
    parser.add_argument("--bundle", type=Path, help="a bundle's folder instead")
    parser.add_argument("--days", type=int, default=30, help="days without drift to replay (30)")
    for name, kind in (
        ("false_alarm_days", float),
        ("ignore_below", float),
        ("rows_per_day", int),
        ("check_rows", int),
    ):
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"instead of the version's {name}")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
