"""The service's settings: read once from the environment, checked, frozen. docs/settings.md lists them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "PLUMBLINE_"


class Settings(BaseSettings):
    """Every setting, as the environment variable PLUMBLINE_<NAME>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    workers: int = Field(default=1, ge=1, le=64, description="Worker processes; each holds every live version")
    model_version: str = Field(
        default="latest",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Version to serve: a version's name, or `latest` for the newest in the model store "
        "(in a Bento: the version that was pinned when it was built)",
    )
    max_request_rows: int = Field(default=10_000, ge=1, le=100_000, description="Most rows in one request")
    max_batch_rows: int = Field(
        default=1024,
        ge=1,
        le=100_000,
        description="Most rows that the model computes at once; larger requests are computed in parts of this size",
    )
    max_waiting_rows: int = Field(
        default=20_000,
        ge=1,
        le=10_000_000,
        description="Most rows that wait for one version in one worker; further requests get 503 and Retry-After",
    )
    max_body_bytes: int = Field(
        default=8 * 1024 * 1024, ge=1024, le=1024**3, description="Largest request body, in bytes"
    )
    body_timeout_seconds: float = Field(
        default=10.0, gt=0, le=600, description="Longest wait for a request's whole body"
    )
    request_timeout_seconds: float = Field(
        default=10.0, gt=0, le=600, description="Deadline of a request, from its body to its answer"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severity that is logged; DEBUG logs every request"
    )


def read_settings() -> Settings:
    """Read the settings from the environment.

    Raises:
        SystemExit: a value is wrong; the message names the variable, its limit and the default.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit("\n".join(_sentence(dict(detail)) for detail in error.errors())) from None


def _sentence(detail: dict[str, object]) -> str:
    location = detail["loc"]
    assert isinstance(location, tuple)
    name = str(location[0])
    default = Settings.model_fields[name].default
    message = str(detail["msg"])
    return (
        f"{PREFIX}{name.upper()}: {message[0].lower()}{message[1:]}. "
        f"The default is {default}; docs/settings.md lists every setting."
    )
