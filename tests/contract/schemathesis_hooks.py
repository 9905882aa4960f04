"""Runs inside schemathesis: makes half of the valid bodies such that they are answered, for few would be.

A random text is never a prediction id that we signed, nor the name of a live version; and JSON Schema can state neither
bounds of dates nor rules across fields. PLUMBLINE_HOOKS holds ids and a version that exist, as JSON:
{"prediction_ids": [...], "version": "..."}.
"""

from __future__ import annotations

import json
import os
from typing import Any
from zlib import crc32

import schemathesis

DATE = "2016-12-15"
TIED = ("latitude", "longitude", "effective_age_years")
"""Features with a rule that ties them to another one; all may be left out."""

KNOWN = json.loads(os.environ["PLUMBLINE_HOOKS"])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Change a valid body; which ones depends on the body alone, so that a failure can be repeated."""
    if case.meta is None or not case.meta.generation.mode.is_positive or not isinstance(case.body, dict):
        return
    number = crc32(json.dumps(case.body, sort_keys=True, default=str).encode())
    if number % 2:
        _fill(case.body, number)


def _fill(body: dict[str, Any], number: int) -> None:
    for name in ("version", "stable"):
        if name in body:
            body[name] = KNOWN["version"]
    for place, outcome in enumerate(body.get("outcomes", [])):
        outcome["prediction_id"] = KNOWN["prediction_ids"][(number + place) % len(KNOWN["prediction_ids"])]
    for row in [*body.get("rows", []), *([body["features"]] if "features" in body else [])]:
        _mend(row, DATE)
    if "columns" in body:
        columns = body["columns"]
        count = min(map(len, columns.values()))
        columns.update({name: cells[:count] for name, cells in columns.items()})
        _mend(columns, [DATE] * count)


def _mend(row: dict[str, Any], date: Any) -> None:
    row["valuation_date"] = date
    for name in TIED:
        row.pop(name, None)
