"""The service's settings: read once from the environment, checked, frozen. docs/settings.md lists them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from registry.secret_files import SUFFIX, SecretUnreadable, secret
from serving.cache_url import CacheUrl, SecretUrl
from serving.secret_lists import API_KEY_CHARACTERS, SIGNING_KEY_CHARACTERS, ApiKeys, Origins, SigningKeys

PREFIX = "PLUMBLINE_"

SECRETS = ("bundle_keys", "admin_token", "api_keys", "cache_url", "prediction_id_key", "personal_hash_key")
"""Settings that may also be the path of a file, in the variable of that name and _FILE."""


class Settings(BaseSettings):
    """Every setting, as the environment variable PLUMBLINE_<NAME>."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    workers: int = Field(default=1, ge=1, le=64, description="Worker processes; each holds every live version")
    runner: Literal["local", "service"] = Field(
        default="local",
        description="Where models compute: `local`, in every worker, or `service`, in one process of its own, for "
        "models too large to hold in each",
    )
    model_version: str = Field(
        default="latest",
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Version to serve while there is no rollout plan: a version's name, or `latest` for the newest in "
        "the model store (in a Bento: the version that was pinned when it was built)",
    )
    rollout_plan: Path | None = Field(
        default=None,
        description="The rollout plan, such as a mounted ConfigMap's key; unset: "
        "`$BENTOML_HOME/plumbline/<model>/rollout.json`",
    )
    bundle_keys: SigningKeys | None = Field(
        default=None,
        min_length=SIGNING_KEY_CHARACTERS,
        description="Only versions that were signed with one of these keys are served; several, separated by commas. "
        "Unset: versions need no signature",
    )
    admin_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Bearer token for changes of the rollout plan over HTTP; unset: no changes",
    )
    inside: Literal["open", "token", "closed"] = Field(
        default="open",
        description="Who may see metrics, dashboard, live versions, plan and documents of the API: `open`, everybody; "
        "`token`, who sends the admin token; `closed`, nobody",
    )
    api_keys: ApiKeys | None = Field(
        default=None,
        min_length=API_KEY_CHARACTERS,
        description="Keys of clients, one of which predictions and outcomes then ask for, as a bearer token; several, "
        "separated by commas. Unset: no key is needed",
    )
    cors_origins: Origins = Field(
        default="",
        max_length=10_000,
        description="Origins whose web pages may ask for predictions and report outcomes, separated by commas, or "
        "`*` for all; unset: none (CORS is off)",
    )
    slowest_row_ms: float = Field(
        default=50.0, gt=0, le=10_000, description="A version that takes longer for one row is refused, in milliseconds"
    )
    memory_limit_mb: int = Field(
        default=0,
        ge=0,
        le=1 << 20,
        description="A version that makes the worker larger is refused, in MiB; 0: no limit",
    )
    drain_seconds: float = Field(
        default=0.0,
        ge=0,
        le=600,
        description="Pause between SIGTERM, when /readyz turns 503, and the end; give load balancers time to notice",
    )
    max_request_rows: int = Field(default=10_000, ge=1, le=100_000, description="Most rows in one request")
    max_batch_rows: int = Field(
        default=8192,
        ge=1,
        le=100_000,
        description="Most rows that the model computes at once; larger requests are computed in parts of this size, or "
        "in smaller ones that take about 10 ms",
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
    max_held_bytes: int = Field(
        default=128 * 1024 * 1024,
        ge=1024,
        le=64 * 1024**3,
        description="Most bytes of request bodies that a worker holds at once; further requests get 503 and "
        "Retry-After",
    )
    body_timeout_seconds: float = Field(
        default=10.0, gt=0, le=600, description="Longest wait for a request's whole body"
    )
    request_timeout_seconds: float = Field(
        default=10.0, gt=0, le=600, description="Deadline of a request, from its body to its answer"
    )
    cache_url: CacheUrl = Field(
        default=SecretUrl("memory"),
        description="Where answers are cached: `memory` (of each worker), `off`, or a redis:// or rediss:// URL, "
        "which puts a Redis that all workers and replicas share behind that memory",
    )
    cache_bytes: int = Field(
        default=64 * 1024 * 1024, ge=64 * 1024, le=64 * 1024**3, description="Most memory for cached answers, in bytes"
    )
    cache_ttl_seconds: float = Field(
        default=3600.0, gt=0, le=30 * 86_400, description="Age at which a cached answer is forgotten"
    )
    cache_timeout_seconds: float = Field(
        default=0.05, gt=0, le=10, description="Longest that a request waits for Redis before it goes on without"
    )
    state_folder: Path | None = Field(
        default=None,
        description="Where the workers of a host share counts, evidence, the key of prediction ids and the prediction "
        "log; unset: `$BENTOML_HOME/plumbline/<model>`. Where it cannot be written, a temporary folder takes its place",
    )
    prediction_id_key: SigningKeys | None = Field(
        default=None,
        min_length=SIGNING_KEY_CHARACTERS,
        description="Signs prediction ids; the same for all replicas, so that each judges the outcomes of all. "
        "Several, separated by commas: the first signs, all are believed. Unset: made once, kept in the state folder",
    )
    outcome_max_age_days: float = Field(
        default=3650.0, gt=0, le=36_500, description="Outcomes of older predictions are refused, in days"
    )
    false_alarm_days: float | None = Field(
        default=None,
        gt=0,
        le=36_500,
        description="At most one false drift alarm, and one of each outcome monitor, in so many days; unset: as the "
        "version's contract says, 30",
    )
    ignore_below: float | None = Field(
        default=None,
        gt=0,
        lt=0.5,
        description="Share of a feature's rows that may move unnoticed; unset: as the version's contract says, 0.02",
    )
    rows_per_day: int | None = Field(
        default=None,
        ge=1,
        le=10**12,
        description="Traffic of a version for which the contract holds; unset: as the version's contract says, 10,000",
    )
    outcomes_per_day: float = Field(
        default=100.0, gt=0, le=1e12, description="Outcomes of a version for which the contract holds"
    )
    watch_seconds: float = Field(
        default=1.0, gt=0, le=3600, description="Pause between two looks at the evidence for drift and bad outcomes"
    )
    prediction_log: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of the predictions that are logged; rows unlike training always are. 0: no log at all",
    )
    personal_fields: str = Field(
        default="",
        max_length=10_000,
        description="Features that the prediction log leaves out or hashes, separated by commas",
    )
    personal_hash_key: SecretStr | None = Field(
        default=None, min_length=16, max_length=64, description="Key of those hashes, in ASCII"
    )
    personal: Literal["omit", "hash"] = Field(
        default="omit",
        description="What the prediction log does with personal fields: `omit`, leave them out, or `hash`, with "
        "`PLUMBLINE_PERSONAL_HASH_KEY`, so that equal values can be matched",
    )
    clock_file: Path | None = Field(
        default=None, description="For replays: a file that holds the Unix time; unset: the system's clock"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severity that is logged; DEBUG logs every request"
    )

    @field_validator("inside")
    @classmethod
    def _token_is_there(cls, inside: str, info: ValidationInfo) -> str:
        if inside == "token" and info.data.get("admin_token", "wrong itself") is None:
            raise ValueError(f"`token` needs {PREFIX}ADMIN_TOKEN")
        return inside

    @field_validator("personal")
    @classmethod
    def _hash_key_is_there(cls, personal: str, info: ValidationInfo) -> str:
        if personal == "hash" and info.data.get("personal_hash_key", "wrong itself") is None:
            raise ValueError(f"`hash` needs {PREFIX}PERSONAL_HASH_KEY")
        return personal


def read_settings() -> Settings:
    """Read the settings from the environment, and secrets also from the files that it names.

    Raises:
        SystemExit: a value is wrong; the message names the variable, its limit and the default.
    """
    try:
        return Settings(**_from_files())
    except SecretUnreadable as error:
        raise SystemExit(f"{error} docs/settings.md lists every setting.") from None
    except ValidationError as error:
        raise SystemExit("\n".join(_sentence(dict(detail)) for detail in error.errors())) from None


def _from_files() -> dict[str, Any]:
    variables = {name: PREFIX + name.upper() for name in SECRETS}
    return {name: secret(variable) for name, variable in variables.items() if variable + SUFFIX in os.environ}


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
