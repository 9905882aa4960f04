"""The environment of a test run. Loaded by pytest before anything else, for BentoML reads it when first imported."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

HOME = Path(tempfile.mkdtemp(prefix="plumbline-tests-"))
"""This run's own BENTOML_HOME."""

os.environ["BENTOML_HOME"] = str(HOME)
os.environ["BENTOML_DO_NOT_TRACK"] = "True"
for _name in [name for name in os.environ if name.startswith("PLUMBLINE_") and name != "PLUMBLINE_TEST_STORE"]:
    del os.environ[_name]  # a developer's own settings must not decide a test
