"""Where BentoML keeps its things on this machine, and Plumbline's beside them."""

from __future__ import annotations

import os
from pathlib import Path


def bentoml_home() -> Path:
    """`$BENTOML_HOME`, else BentoML's own default, ~/bentoml."""
    return Path(os.path.expandvars(os.environ.get("BENTOML_HOME", "~/bentoml"))).expanduser()


def model_folder(model: str) -> Path:
    """`$BENTOML_HOME/plumbline/<model>`: a model's plan, keys, counts and prediction log."""
    return bentoml_home() / "plumbline" / model
