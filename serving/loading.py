"""From a version's name to a version that answers: read, verify, warm, prove, and only then hand out."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from preprocessors.encoding import Matrix, RowEncoder
from preprocessors.feature_check import FeatureCheck
from registry import store
from registry.bundle import Bundle, Description, ModelDefinition, ModelVersion
from registry.errors import BundleRefused, OverMemory, RegistryError, TooSlow
from schemas.predictions import Variant
from serving.batch import BatchComputer
from serving.bulk_answers import Origin
from serving.cache import RowKeys
from serving.observed import Observed
from serving.runner import Runner, RunnerLimits, SubmitsRows
from serving.secret_lists import secret_parts
from serving.settings import Settings

logger = logging.getLogger(__name__)

WARM_UP_CALLS = 20
"""Calls of which the median counts: the first ones pay for caches and lazy imports."""


@dataclass(frozen=True)
class Demands:
    """What a version must keep to.

    Args:
        slowest_row_seconds: most time for one row, the median of WARM_UP_CALLS.
        memory_bytes: most resident memory of this process with the version loaded; 0 for no limit.
        limits: what bounds the version's runner.
        bundle_keys: one of them must have signed the version; without any, it needs no signature.
    """

    slowest_row_seconds: float
    memory_bytes: int
    limits: RunnerLimits
    bundle_keys: Sequence[bytes] = ()


@dataclass(frozen=True)
class LiveVersion:
    """A version that answers requests.

    Args:
        bundle: what it says of itself. Its model is the runner's alone, and goes with it.
        keys: of its rows in the cache.
        loaded_at: Unix time in seconds.
        observed: what it did, until it is counted.
        origins: what its answers say of it, by the part that it plays; made when first needed.
    """

    bundle: Description
    runner: SubmitsRows
    keys: RowKeys
    loaded_at: float
    observed: Observed
    origins: dict[Variant, Origin] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The version's name."""
        return self.bundle.version


def demands_of(settings: Settings) -> Demands:
    """What the settings ask of every version."""
    limits = RunnerLimits(settings.max_batch_rows, settings.max_waiting_rows, settings.request_timeout_seconds)
    keys = secret_parts(settings.bundle_keys)
    return Demands(settings.slowest_row_ms / 1000, settings.memory_limit_mb << 20, limits, keys)


def load(definition: ModelDefinition, version: str, demands: Demands) -> LiveVersion:
    """Load a version and let it prove itself. Takes a second or so: call it off the event loop.

    Raises:
        NoVersion: the store holds no such version.
        BundleRefused: it is unsigned, corrupt, foreign, of another schema, gives other answers, is slow or large.
    """
    bundle = prove(definition, version, demands)
    return live_version(bundle, Runner(computer_of(definition, bundle), demands.limits))


def prove(definition: ModelDefinition, version: str, demands: Demands) -> Bundle:
    """Load a version's model and let it prove itself. Raises what `load` raises."""
    bundle = store.open_version(definition, version, demands.bundle_keys)
    bundle.replay_golden(definition.rows)
    _check_speed(bundle, _one_row(definition, bundle), demands.slowest_row_seconds)
    _check_memory(bundle.version, demands.memory_bytes)
    return bundle


def as_refusal(version: str, error: Exception, where: str) -> RegistryError:
    """Whatever loading a version raised, as a refusal; what nobody foresaw is logged, and `where` says so."""
    if isinstance(error, RegistryError):
        return error
    logger.error("a version could not be loaded", exc_info=error, extra={"version": version})
    return BundleRefused(f"version {version} could not be loaded: {type(error).__name__}; {where}")


def computer_of(definition: ModelDefinition, bundle: Bundle) -> BatchComputer:
    """What computes the version's batches in this process."""
    return BatchComputer(bundle.model, FeatureCheck(definition.rows, bundle.ranges))


def live_version(described: Description, runner: SubmitsRows) -> LiveVersion:
    """A version that answers from now on, wherever its runner computes."""
    manifest = described.manifest
    keys = RowKeys(manifest.model, described.version, manifest.schema_hash)
    observed = Observed(runner.counts, runner.batches)
    return LiveVersion(described.without_model(), runner, keys, time.time(), observed)


def _one_row(definition: ModelDefinition, bundle: Bundle) -> Matrix:
    return RowEncoder(definition.rows).matrix([definition.rows.from_row(bundle.golden.rows[0])])


def _check_speed(bundle: Bundle, row: Matrix, limit: float) -> None:
    seconds = sorted(_timed(bundle.model, row) for _ in range(WARM_UP_CALLS))[WARM_UP_CALLS // 2]
    if seconds > limit:
        raise TooSlow(
            f"version {bundle.version} takes {1000 * seconds:.3g} ms for one row, more than the {1000 * limit:.3g} ms "
            "of PLUMBLINE_SLOWEST_ROW_MS; make the model smaller, or raise the limit"
        )


def _timed(model: ModelVersion, row: Matrix) -> float:
    started = time.perf_counter()
    model.predict(model.transform(row))
    return time.perf_counter() - started


def _check_memory(version: str, limit: int) -> None:
    used = psutil.Process().memory_info().rss
    if limit and used > limit:
        raise OverMemory(
            f"with version {version} this worker has {used >> 20} MiB, more than the {limit >> 20} MiB of "
            "PLUMBLINE_MEMORY_LIMIT_MB; serve fewer versions at a time, or raise the limit"
        )
