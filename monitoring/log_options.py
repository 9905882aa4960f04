"""The options of the prediction log: plain values, checked, frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class LogOptions(BaseModel):
    """How much is logged, where, and what is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    directory: Path = Field(description="Where the files are; made when it is missing")
    sampling: float = Field(
        default=1.0, ge=0, le=1, description="Share of the rows that are logged; those unlike training always are"
    )
    max_file_bytes: int = Field(
        default=64 * 1024 * 1024, ge=64 * 1024, le=1 << 40, description="A file is set aside before it grows beyond"
    )
    max_files: int = Field(default=10, ge=1, le=100_000, description="Most files of a worker; older ones are deleted")
    max_waiting_rows: int = Field(
        default=50_000, ge=1, le=10_000_000, description="Most rows that wait for the writer; more are dropped"
    )
    personal_fields: tuple[str, ...] = Field(default=(), description="Features that are left out, or hashed")
    personal: Literal["omit", "hash"] = Field(default="omit", description="What happens to personal fields")
    hash_key: SecretStr | None = Field(
        default=None, min_length=16, max_length=64, description="Key of the hashes, ASCII; needed for `hash`"
    )
    flush_seconds: float = Field(default=0.25, gt=0, le=60, description="Longest that a row waits for the writer")
    retry_seconds: float = Field(default=5.0, gt=0, le=3600, description="Pause after the disk has refused a write")
    worker: int | None = Field(
        default=None, ge=0, le=100_000, description="Number in the file names; unset: BentoML's worker"
    )
    seed: int | None = Field(default=None, ge=0, description="Makes the choice of rows repeatable, for tests")

    def key(self) -> bytes | None:
        """The key that hashes personal fields; None when they are left out."""
        if self.personal == "omit" or self.hash_key is None:
            return None
        return self.hash_key.get_secret_value().encode()


def log_options(name: str, features: Sequence[str], options: Mapping[str, Any]) -> LogOptions:
    """Check the options of a log.

    Args:
        name: of the monitor.
        features: names of the model's features; empty when only `bentoml.monitor` writes.
        options: fields of LogOptions; BentoML adds its own `log_path`, which is the directory if there is no other.

    Raises:
        ValueError: a wrong option; the message names it and its limit.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("The name of a prediction log has 1 to 100 letters, digits, '_', '.' and '-'.")
    given = {key: value for key, value in options.items() if key not in ("log_path", "log_config_file")}
    if "directory" not in given and "log_path" in options:
        given["directory"] = options["log_path"]
    try:
        checked = LogOptions.model_validate(given)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
        raise ValueError(f"The prediction log {name}: {said}.") from None
    _check_personal(name, features, checked)
    return checked


def _check_personal(name: str, features: Sequence[str], options: LogOptions) -> None:
    unknown = sorted(set(options.personal_fields) - set(features)) if features else []
    if unknown:  # a misspelt name would let the values through
        raise ValueError(f"The prediction log {name}: personal_fields: no feature is called {', '.join(unknown)}.")
    if options.personal == "hash" and options.hash_key is None:
        raise ValueError(f"The prediction log {name}: hash_key: needed when personal is hash.")
    if (key := options.key()) is not None and len(key) > 64:
        raise ValueError(f"The prediction log {name}: hash_key: at most 64 bytes.")
