"""Signed versions: who has no trusted key vouches for nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import bentoml
import pytest

from registry import bundle, sign, signatures, store
from registry.bundle import ModelDefinition, describe, load
from registry.errors import BundleCorrupt, BundleUnsigned
from registry.secret_files import SecretUnreadable
from registry.signatures import SIGNING_KEY, BadKey, signing_key
from tests.unit.registry.rebuild import rebuild
from tests.unit.registry.test_store import MODEL, Publish, publish, scratch

__all__ = ["publish", "scratch"]  # fixtures

KEY, OTHER = b"a-key-of-these-tests-32-or-more.", b"another-key-also-32-characters.."


@pytest.fixture
def copied(bundle_directory: Path, tmp_path: Path) -> Path:
    """A copy of the published bundle that may be changed."""
    return Path(shutil.copytree(bundle_directory, tmp_path / "copied"))


def signed(directory: Path, version: str, definition: ModelDefinition, key: bytes = KEY) -> Path:
    """The bundle, signed."""
    manifest = (directory / bundle.MANIFEST).read_bytes()
    signatures.write(directory, definition.name, version, manifest, key)
    return directory


def test_a_signed_bundle_loads_with_its_key_among_others_and_without_any(
    copied: Path, published: str, definition: ModelDefinition
) -> None:
    signed(copied, published, definition)
    for keys in ((), (KEY,), (OTHER, KEY)):
        assert load(published, copied, definition, keys).version == published
        assert describe(published, copied, definition, keys).version == published


def test_signing_again_with_another_key_replaces_the_signature(
    copied: Path, published: str, definition: ModelDefinition
) -> None:
    signed(signed(copied, published, definition), published, definition, OTHER)
    assert load(published, copied, definition, [OTHER]).version == published
    assert [path.name for path in copied.parent.iterdir()] == [copied.name]


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{}",
        b"[]",
        b'{"scheme": "none", "signature": ""}',
        b'{"scheme": "blake2b-256", "signature": ""}',
        b'{"scheme": "blake2b-256", "signature": "\\u00fc"}',
        b'{"scheme": "blake2b-256", "signature": "' + b"0" * 64 + b'"}',
        b"\x80\x04." * 5000,
    ],
)
def test_without_a_signature_nothing_is_loaded(
    copied: Path, published: str, definition: ModelDefinition, content: bytes | None
) -> None:
    if content is not None:
        (copied / signatures.FILE).write_bytes(content)
    assert load(published, copied, definition).version == published  # without keys nobody asks
    for read in (load, describe):
        with pytest.raises(BundleUnsigned, match=rf"sign it where PLUMBLINE_SIGNING_KEY .* registry\.sign {published}"):
            read(published, copied, definition, [KEY])


def test_another_keys_signature_is_refused(copied: Path, published: str, definition: ModelDefinition) -> None:
    signed(copied, published, definition, OTHER)
    with pytest.raises(BundleUnsigned, match="none of the keys"):
        load(published, copied, definition, [KEY])


def test_a_signature_is_good_for_its_own_version_only(
    copied: Path, published: str, definition: ModelDefinition, tmp_path: Path
) -> None:
    signed(copied, published, definition)
    other = rebuild(copied, tmp_path / "other", {bundle.REFERENCE: None, signatures.FILE: None})
    shutil.copy(copied / signatures.FILE, tmp_path / "other")
    assert load(other, tmp_path / "other", definition).version == other
    with pytest.raises(BundleUnsigned):
        load(other, tmp_path / "other", definition, [KEY])


def test_a_signature_is_good_for_its_own_model_only(copied: Path, published: str, definition: ModelDefinition) -> None:
    signed(copied, published, ModelDefinition("boats", definition.rows, definition.trusted_types))
    with pytest.raises(BundleUnsigned):
        load(published, copied, definition, [KEY])


def test_a_signature_does_not_replace_the_digests(copied: Path, published: str, definition: ModelDefinition) -> None:
    signed(copied, published, definition)
    golden = copied / bundle.GOLDEN
    golden.write_bytes(golden.read_bytes() + b"\n")
    with pytest.raises(BundleCorrupt, match=bundle.GOLDEN):
        load(published, copied, definition, [KEY])


def test_the_signature_is_checked_before_anything_is_parsed(
    copied: Path, published: str, definition: ModelDefinition
) -> None:
    (copied / bundle.MANIFEST).write_bytes(b"{")
    with pytest.raises(BundleUnsigned):
        load(published, copied, definition, [KEY])


def test_versions_are_signed_when_published_or_later(publish: Publish, scratch: ModelDefinition) -> None:
    version, _ = publish()
    with pytest.raises(BundleUnsigned):
        store.open_version(scratch, version, [KEY])
    assert store.sign(MODEL, "latest", KEY) == version
    assert store.open_version(scratch, version, [KEY]).version == version
    assert publish(key=OTHER) == (version, False)
    assert store.open_version(scratch, version, [OTHER]).version == version
    second, new = publish(1, key=KEY)
    assert new
    assert store.open_version(scratch, second, [KEY]).version == second


def test_the_command_signs(
    publish: Publish, scratch: ModelDefinition, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    version, _ = publish()
    monkeypatch.setenv(SIGNING_KEY, KEY.decode())
    assert sign.main([version, "--model", MODEL]) == 0
    assert capsys.readouterr().out == f"Signed: {MODEL}:{version}\n"
    assert store.open_version(scratch, version, [KEY]).version == version


def test_the_command_does_not_sign_what_was_changed(
    publish: Publish, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    version, _ = publish()
    folder = Path(bentoml.models.get(f"{MODEL}:{version}").path)
    (folder / bundle.GOLDEN).write_bytes(b"{}")
    monkeypatch.setenv(SIGNING_KEY, KEY.decode())
    assert sign.main([version, "--model", MODEL]) == 1
    assert "golden.json differ" in capsys.readouterr().err
    assert not (folder / signatures.FILE).exists()


@pytest.mark.parametrize(
    ("variables", "said"),
    [({}, "is not set"), ({SIGNING_KEY: "short"}, "at least 32"), ({f"{SIGNING_KEY}_FILE": "/no"}, "cannot be read")],
)
def test_the_command_needs_a_key(
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    said: str,
) -> None:
    version, _ = publish()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert sign.main([version, "--model", MODEL]) == 2
    assert said in capsys.readouterr().err


def test_the_key_is_read_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert signing_key() is None
    (tmp_path / "key").write_bytes(KEY + b"\n")
    monkeypatch.setenv(f"{SIGNING_KEY}_FILE", str(tmp_path / "key"))
    assert signing_key() == KEY
    monkeypatch.setenv(SIGNING_KEY, "hunter2")
    with pytest.raises(SecretUnreadable, match="as well"):
        signing_key()
    monkeypatch.delenv(f"{SIGNING_KEY}_FILE")
    with pytest.raises(BadKey, match="at least 32") as caught:
        signing_key()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", [f"{'k' * 40},", f"{'k' * 40} {'k' * 40}", "ü" * 40])
def test_a_key_that_the_service_could_not_be_given_signs_nothing(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(SIGNING_KEY, key)
    with pytest.raises(BadKey, match="visible ASCII"):
        signing_key()
