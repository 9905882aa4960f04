"""Versions in and out of BentoML's own model store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import bentoml
import pytest

from registry import bundle, store
from registry.bundle import MANIFEST, ModelDefinition, digest
from registry.errors import BundleCorrupt, NoVersion
from registry.manifest import Manifest

MODEL = "scratch"

Publish = Callable[..., tuple[str, bool]]


@pytest.fixture
def scratch(definition: ModelDefinition) -> ModelDefinition:
    """The house model under a name that only these tests use."""
    return ModelDefinition(MODEL, definition.rows, definition.trusted_types)


@pytest.fixture
def publish(bundle_directory: Path) -> Iterator[Publish]:
    """Publishes the house bundle as the scratch model; differing metrics give differing versions."""
    names = [path.name for path in bundle_directory.iterdir() if path.name not in (MANIFEST, "model.yaml")]
    files = {name: (bundle_directory / name).read_bytes() for name in names}
    stated = Manifest.model_validate_json((bundle_directory / MANIFEST).read_bytes())

    def publish_one(number: int = 0, model: str = MODEL, key: bytes | None = None) -> tuple[str, bool]:
        metrics = {**stated.metrics, "model": {**stated.metrics["model"], "number": float(number)}}
        return store.publish(stated.model_copy(update={"model": model, "metrics": metrics}), files, key)

    yield publish_one
    for version in store.versions(MODEL):
        bentoml.models.delete(f"{MODEL}:{version}")


def test_what_was_published_opens(publish: Publish, scratch: ModelDefinition) -> None:
    version, new = publish()
    assert new
    opened = store.open_version(scratch, version)
    opened.replay_golden(scratch.rows)
    assert opened.version == version


def test_the_folders_of_a_model_are_its_versions(publish: Publish) -> None:
    assert store.place("none") is None
    for number in range(3):
        publish(number)
    place = store.place(MODEL)
    assert place is not None
    assert store.folders(place) == set(store.versions(MODEL))
    assert store.folders(place / "gone") == set()


def test_publishing_the_same_again_changes_nothing(publish: Publish) -> None:
    version, _ = publish()
    created = bentoml.models.get(f"{MODEL}:{version}").creation_time
    assert publish() == (version, False)
    assert store.versions(MODEL) == [version]
    assert bentoml.models.get(f"{MODEL}:{version}").creation_time == created


def test_versions_are_listed_newest_first_and_latest_is_the_first(publish: Publish, scratch: ModelDefinition) -> None:
    published = [publish(number)[0] for number in range(3)]
    assert store.versions(MODEL) == published[::-1]
    assert store.open_version(scratch).version == published[-1]
    bentoml.models.delete(f"{MODEL}:{published[-1]}")
    assert store.open_version(scratch).version == published[-2] == store.versions(MODEL)[0]


def test_a_name_that_only_begins_alike_is_another_model(publish: Publish) -> None:
    publish()
    assert store.versions(MODEL[:-1]) == []


def test_a_missing_version_is_told_with_those_that_exist_and_what_to_do(
    publish: Publish, scratch: ModelDefinition
) -> None:
    published = [publish(number)[0] for number in range(2)]
    with pytest.raises(NoVersion) as caught:
        store.open_version(scratch, "20000101-000000000000")
    message = str(caught.value)
    assert "'20000101-000000000000' of scratch" in message
    assert ", ".join(published[::-1]) in message
    assert message.endswith("Train one with: python -m training")


@pytest.mark.parametrize("version", ["latest", "20000101-000000000000", "..", "a:b", "not a version"])
def test_an_empty_store_says_so(home: Path, scratch: ModelDefinition, version: str) -> None:
    with pytest.raises(NoVersion, match=r"it has: none\. Train one with"):
        store.open_version(scratch, version)


def test_bentoml_itself_shows_the_figures_and_the_digest(publish: Publish) -> None:
    version, _ = publish(7)
    stored = bentoml.models.get(f"{MODEL}:{version}")
    encoded = Path(stored.path_of(MANIFEST)).read_bytes()
    stated = json.loads(encoded)
    metadata = stored.info.metadata
    assert metadata["manifest_sha256"] == digest(encoded)
    assert version.endswith("-" + digest(encoded)[: bundle.DIGEST_LENGTH])
    assert version.startswith(stated["data"]["calibrated_until"].replace("-", "") + "-")
    assert metadata["metrics"] == stated["metrics"]["model"]
    assert metadata["features"] == stated["features"]
    assert metadata["data"] == stated["data"]
    assert stored.info.labels == {"model": MODEL, "commit": stated["code"]["commit"][:12]}


def test_a_stored_version_that_was_changed_is_refused(publish: Publish, scratch: ModelDefinition) -> None:
    version, _ = publish()
    golden = Path(bentoml.models.get(f"{MODEL}:{version}").path_of(bundle.GOLDEN))
    golden.write_bytes(golden.read_bytes() + b"\n")
    with pytest.raises(BundleCorrupt, match=bundle.GOLDEN):
        store.open_version(scratch, version)
