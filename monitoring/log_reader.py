"""Reads prediction logs and outcomes line by line: what is wrong is counted and left out, never fatal."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

CHUNK_ROWS = 4096
MAX_LINE_BYTES = 1024 * 1024

_ASIDE = re.compile(r"(.*)\.(\d{6,})\.jsonl")

Numbers = npt.NDArray[np.float64]


@dataclass(slots=True)
class Reading:
    """What has been read so far: lines that were good and bad, and files that could not be opened."""

    rows: int = 0
    bad: int = 0
    unreadable_files: int = 0


def log_files(place: Path) -> list[Path]:
    """The files of a log: `place` itself, or the `.jsonl` files in it, each worker's oldest first.

    Raises:
        FileNotFoundError: there is none.
    """
    if place.is_file():
        return [place]
    found = sorted(place.glob("*.jsonl"), key=_age) if place.is_dir() else []
    if not found:
        raise FileNotFoundError(
            f"{place} holds no prediction log: no file there ends in .jsonl. A service logs one ordinary row in a "
            "hundred unless PLUMBLINE_PREDICTION_LOG says otherwise (1: all). Ask it something first, or name the "
            "log's folder with --log."
        )
    return found


def _age(path: Path) -> tuple[str, float]:
    aside = _ASIDE.fullmatch(path.name)
    return (aside[1], float(aside[2])) if aside else (path.stem, float("inf"))


def log_rows(paths: Sequence[Path], reading: Reading) -> Iterator[list[dict[str, Any]]]:
    """Rows of the log in lists of up to CHUNK_ROWS, with `time` as Unix seconds.

    Args:
        paths: the files, in order.
        reading: is kept up to date.
    """
    rows: list[dict[str, Any]] = []
    for path in paths:
        for found in _objects(path, reading):
            if not _mend(found):
                reading.bad += 1
                continue
            reading.rows += 1
            rows.append(found)
            if len(rows) == CHUNK_ROWS:
                yield rows
                rows = []
    if rows:
        yield rows


def _objects(path: Path, reading: Reading) -> Iterator[dict[str, Any]]:
    try:
        opened = path.open("rb")
    except OSError:  # rotation has deleted it
        reading.unreadable_files += 1
        return
    with opened:
        while line := opened.readline(MAX_LINE_BYTES):
            found = _object(line)
            if found is not None:
                yield found
            elif line.strip():
                reading.bad += 1
            while line and not line.endswith(b"\n"):  # the rest of a line that is too long, or torn at the end
                line = opened.readline(MAX_LINE_BYTES)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _mend(row: dict[str, Any]) -> bool:
    """Make time, numbers and the rest of a row what their names say; False if it is no row of a log."""
    try:
        time = datetime.fromisoformat(row["time"])
        row["time"] = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    if not isinstance(row.get("features"), dict) or not (row.get("prediction") is None or number(row["prediction"])):
        return False
    row["weight"] = weight if number(weight := row.get("weight", 1.0)) and weight > 0 else 1.0
    for name, wanted in (("interval", dict), ("out_of_range", list), ("prediction_id", str), ("version", str)):
        if not isinstance(row.get(name), wanted):
            row[name] = wanted()
    return True


def number(value: Any) -> bool:
    """Whether it is a finite JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


class Outcomes:
    """Actual values by prediction id. 16 bytes each; of two for one id the first counts.

    Args:
        path: JSON lines, each `{"prediction_id": ..., "actual": ...}` or a request body `{"outcomes": [...]}`.

    Raises:
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb"):
            pass  # a wrong path is an error here, not an unreadable file
        self.reading = Reading()
        keys, actual = array("Q"), array("d")
        for found in _objects(path, self.reading):
            several = found.get("outcomes")
            for outcome in several if isinstance(several, list) else [found]:
                if not _is_outcome(outcome):
                    self.reading.bad += 1
                    continue
                keys.append(_key(outcome["prediction_id"]))
                actual.append(outcome["actual"])
        every = np.frombuffer(keys, np.uint64) if keys else np.empty(0, np.uint64)
        self._keys, first = np.unique(every, return_index=True)
        self._actual = np.array(actual)[first]
        self._met = np.zeros(len(first), np.bool_)
        self.reading.rows, self.doubled = len(first), len(every) - len(first)
        self.are_positive = bool(len(first)) and bool((self._actual > 0).all())

    @property
    def not_in_log(self) -> int:
        """Outcomes whose prediction has not come by yet."""
        return int((~self._met).sum())

    def take(self, ids: Sequence[str]) -> Numbers:
        """The actual value of each id, shape (n,): NaN without one, and for an id that came before."""
        found = np.full(len(ids), np.nan)
        if not len(self._keys):
            return found
        wanted = np.fromiter(map(_key, ids), np.uint64, len(ids))
        place = np.searchsorted(self._keys, wanted).clip(max=len(self._keys) - 1)
        hit = np.flatnonzero((self._keys[place] == wanted) & ~self._met[place])
        places, first = np.unique(place[hit], return_index=True)
        found[hit[first]] = self._actual[places]
        self._met[places] = True
        return found


def _is_outcome(outcome: Any) -> bool:
    if not isinstance(outcome, dict) or not number(outcome.get("actual")):
        return False
    return isinstance(outcome.get("prediction_id"), str) and bool(outcome["prediction_id"])


def _key(prediction_id: str) -> int:
    text = prediction_id.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
