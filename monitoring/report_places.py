"""Where a service on this machine keeps a model's prediction log, and the model store the profile of a version."""

from __future__ import annotations

import json
import os
from pathlib import Path

from monitoring.home import bentoml_home, model_folder
from monitoring.log_reader import log_files

PROFILE = "profile.json"

TAIL_BYTES = 1 << 20
"""Read of the end of a log to find its last whole line."""


def log_of(model: str) -> Path:
    """The folder of a model's prediction log, as a service with this environment writes it."""
    state = os.environ.get("PLUMBLINE_STATE_FOLDER")
    return (Path(state) if state else model_folder(model)) / "predictions"


def profile_of(model: str, log: Path) -> Path | None:
    """The folder of the version that answered last; None if the log does not say, or this store does not hold it.

    Raises:
        OSError: there is no log, or it cannot be read.
    """
    version = _last_version(log_files(log)[-1])
    folder = bentoml_home() / "models" / model / version
    return folder if version and (folder / PROFILE).is_file() else None


def _last_version(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = file.read().splitlines()
    for line in reversed(lines):
        try:
            version = json.loads(line)["version"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(version, str) and version == Path(version).name:
            return version
    return ""
