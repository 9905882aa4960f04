"""A bundle that is not, byte for byte, what was published is refused, and the refusal names the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from registry import bundle
from registry.bundle import ModelDefinition, load
from registry.errors import BundleCorrupt, BundleRefused
from tests.unit.registry.rebuild import rebuild

NEEDED = [bundle.PIPELINE, bundle.BOOSTER, bundle.GOLDEN, bundle.RANGES, bundle.PROFILE]
FILES = [bundle.MANIFEST, *NEEDED, bundle.REFERENCE]


@pytest.fixture
def copied(bundle_directory: Path, tmp_path: Path) -> Path:
    """A copy of the published bundle that may be changed."""
    return Path(shutil.copytree(bundle_directory, tmp_path / "copied"))


def test_the_published_bundle_loads_and_repeats_its_golden_answers(
    bundle_directory: Path, published: str, definition: ModelDefinition
) -> None:
    loaded = load(published, bundle_directory, definition)
    loaded.replay_golden(definition.rows)
    assert loaded.version == published
    assert loaded.manifest.model == definition.name
    assert loaded.manifest.features == definition.rows.names()
    assert loaded.ranges.names == loaded.manifest.inputs


def test_these_tests_know_every_file_of_a_bundle(bundle_directory: Path) -> None:
    assert {path.name for path in bundle_directory.iterdir()} == {*FILES, "model.yaml"}


@pytest.mark.parametrize("place", ["first", "middle", "last"])
@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_refused_by_the_files_name(
    copied: Path, published: str, definition: ModelDefinition, name: str, place: str
) -> None:
    data = bytearray((copied / name).read_bytes())
    position = {"first": 0, "middle": len(data) // 2, "last": len(data) - 1}[place]
    data[position] ^= 1
    (copied / name).write_bytes(data)
    with pytest.raises(BundleCorrupt, match=name):
        load(published, copied, definition)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_its_name(
    copied: Path, published: str, definition: ModelDefinition, name: str
) -> None:
    (copied / name).unlink()
    with pytest.raises(BundleCorrupt, match=name):
        load(published, copied, definition)


@pytest.mark.parametrize("name", NEEDED)
def test_a_file_that_neither_is_there_nor_in_the_manifest_is_refused_by_its_name(
    bundle_directory: Path, tmp_path: Path, definition: ModelDefinition, name: str
) -> None:
    version = rebuild(bundle_directory, tmp_path / "rebuilt", {name: None})
    with pytest.raises(BundleCorrupt, match=name):
        load(version, tmp_path / "rebuilt", definition)


def test_a_bundle_from_before_the_reference_rows_were_kept_loads(
    bundle_directory: Path, tmp_path: Path, definition: ModelDefinition
) -> None:
    version = rebuild(bundle_directory, tmp_path / "rebuilt", {bundle.REFERENCE: None})
    assert load(version, tmp_path / "rebuilt", definition).version == version


@pytest.mark.parametrize("name", NEEDED)
def test_an_empty_file_is_refused_even_when_all_digests_agree(
    bundle_directory: Path, tmp_path: Path, definition: ModelDefinition, name: str
) -> None:
    version = rebuild(bundle_directory, tmp_path / "rebuilt", {name: b""})
    with pytest.raises(BundleCorrupt):
        load(version, tmp_path / "rebuilt", definition)


@pytest.mark.parametrize("kept", [20, 100_000, -1])
def test_a_booster_that_was_cut_is_refused_and_does_not_end_the_process(
    bundle_directory: Path, tmp_path: Path, definition: ModelDefinition, kept: int
) -> None:
    cut = (bundle_directory / bundle.BOOSTER).read_bytes()[:kept]
    version = rebuild(bundle_directory, tmp_path / "rebuilt", {bundle.BOOSTER: cut})
    with pytest.raises(BundleCorrupt, match=bundle.BOOSTER):
        load(version, tmp_path / "rebuilt", definition)


def test_an_added_file_is_refused_by_its_name(copied: Path, published: str, definition: ModelDefinition) -> None:
    (copied / "extra.txt").write_text("not mine")
    with pytest.raises(BundleCorrupt, match=r"extra\.txt"):
        load(published, copied, definition)


def test_an_added_folder_is_refused(copied: Path, published: str, definition: ModelDefinition) -> None:
    (copied / "folder").mkdir()
    with pytest.raises(BundleCorrupt, match="cannot read"):
        load(published, copied, definition)


def test_no_folder_at_all_is_refused(tmp_path: Path, published: str, definition: ModelDefinition) -> None:
    with pytest.raises(BundleCorrupt, match="No such file"):
        load(published, tmp_path / "nowhere", definition)


def test_bentomls_own_label_may_change_and_may_be_missing(
    copied: Path, published: str, definition: ModelDefinition
) -> None:
    (copied / "model.yaml").write_text("name: something else")
    assert load(published, copied, definition).version == published
    (copied / "model.yaml").unlink()
    assert load(published, copied, definition).version == published


def test_the_same_files_under_another_versions_name_are_refused(copied: Path, definition: ModelDefinition) -> None:
    with pytest.raises(BundleCorrupt, match=r"manifest\.json was changed"):
        load("20160930-000000000000", copied, definition)


def test_a_rebuilt_bundle_without_a_change_loads(
    bundle_directory: Path, tmp_path: Path, definition: ModelDefinition
) -> None:
    version = rebuild(bundle_directory, tmp_path / "rebuilt")
    load(version, tmp_path / "rebuilt", definition).replay_golden(definition.rows)


@pytest.mark.parametrize("change", [{"format": 2}, {"surprise": 1}, {"target": {"name": "price"}}])
def test_a_manifest_of_another_format_is_refused(
    bundle_directory: Path, tmp_path: Path, definition: ModelDefinition, change: dict[str, object]
) -> None:
    version = rebuild(bundle_directory, tmp_path / "rebuilt", manifest=change)
    with pytest.raises(BundleCorrupt, match="another format"):
        load(version, tmp_path / "rebuilt", definition)


def test_every_refusal_has_its_own_reason() -> None:
    classes = BundleRefused.__subclasses__()
    assert len({cls.reason for cls in classes}) == len(classes) > 0
