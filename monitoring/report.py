"""`python -m monitoring.report`: one HTML file from a prediction log, and from outcomes if there are any.

It reads the log once, line by line, so that its size does not matter.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from monitoring.log_reader import Outcomes, Reading, log_files, log_rows
from monitoring.profile import Profile
from monitoring.report_features import LogFeatures
from monitoring.report_features import profile_of as profile_of_rows
from monitoring.report_figures import Figures
from monitoring.report_page import Report, render
from monitoring.report_places import PROFILE, log_of, profile_of


def make_report(log: Path, outcomes: Path | None = None, profile: Path | None = None) -> Report:
    """Gather the figures of a log.

    Args:
        log: the log's directory, or one file of it.
        outcomes: JSON lines with `prediction_id` and `actual`.
        profile: a `profile.json` or the directory of a bundle; None: the log's own beginning is the reference.

    Raises:
        OSError: a file is missing or cannot be read.
        ValueError: the profile is none.
    """
    paths, reading = log_files(log), Reading()
    features = None if profile is None else LogFeatures(read_profile(profile))
    reference = "training" if features else "no reference"
    figures = Figures(None if outcomes is None else Outcomes(outcomes))
    for rows in log_rows(paths, reading):
        if features is None:
            features = LogFeatures(profile_of_rows(rows))
            reference = f"the first {len(rows):,} rows of this log, as no profile was given"
        figures.add(rows)
        features.add(rows)
    return Report(figures, features, reference, reading)


def read_profile(place: Path) -> Profile:
    """A profile from its file, or from the directory of a bundle.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no profile.
    """
    path = place / PROFILE if place.is_dir() else place
    try:
        return Profile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path} is no profile of a version: {error.error_count()} fields are wrong.") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = argparse.ArgumentParser(prog="python -m monitoring.report", description=__doc__)
    places = parser.add_mutually_exclusive_group(required=True)
    places.add_argument("--model", help="take log and profile from where a service on this machine keeps them")
    places.add_argument("--log", type=Path, help="directory of the prediction log, or one file of it")
    parser.add_argument("--outcomes", type=Path, help="JSON lines with prediction_id and actual")
    parser.add_argument("--profile", type=Path, help="profile.json, or the directory of a version in the model store")
    parser.add_argument("--output", type=Path, required=True, help="the HTML file to write")
    given = parser.parse_args(arguments)
    try:
        log = given.log or log_of(given.model)
        profile = given.profile or (profile_of(given.model, log) if given.model else None)
        report = make_report(log, given.outcomes, profile)
        _write(given.output, render(report))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"No report: {error}\n")
        return 1
    bad = f", {report.reading.bad:,} lines could not be read" if report.reading.bad else ""
    sys.stdout.write(f"{given.output}: {report.reading.rows:,} rows of the log{bad}\n")
    return 0


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: a reader never sees half a report."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
