"""How an image is built: the steps, with programs that only write down what they are asked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy import image
from deploy.bento import Built
from deploy.checks.manifests import KUBERNETES, pod_of, render, workloads
from deploy.code_version import CodeVersion

CODE = CodeVersion("1.0.0", "abc123" * 6 + "abcd", datetime(2026, 1, 1, tzinfo=UTC), dirty=False)


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return Built(
        "house_prices:1.0.0-abc", ("house_prices:v1", "house_prices:v2"), "base:1", CODE, tmp_path, {"a": "00"}
    )


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, name: str, code: int) -> None:
    (folder / name).write_text(f"#!/bin/sh\nexit {code}\n")
    (folder / name).chmod(0o755)


def test_a_docker_without_a_daemon_is_passed_over(programs: Path) -> None:
    program(programs, "docker", 1)
    program(programs, "buildah", 0)
    assert image._working() == "buildah"


def test_without_any_backend_it_says_what_to_install(programs: Path) -> None:
    with pytest.raises(image.NoImage, match="apt-get install podman buildah"):
        image._working()


def test_the_labels_say_code_models_and_content(built: Built) -> None:
    labels = image.labels(built)
    assert labels["org.opencontainers.image.version"] == "1.0.0-abc"
    assert labels["org.opencontainers.image.revision"] == CODE.commit
    assert labels["plumbline.models"] == "house_prices:v1 house_prices:v2"
    assert labels["plumbline.bento.digest"] == built.digest


@pytest.mark.parametrize(("backend", "format_given"), [("docker", False), ("podman", True), ("buildah", True)])
def test_the_health_check_survives_in_every_backend(
    built: Built, monkeypatch: pytest.MonkeyPatch, backend: str, format_given: bool
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], quiet: bool = False) -> str:
        asked.append(command)
        return '[{"size": "5 MB"}]' if backend == "buildah" else "5000000"

    monkeypatch.setattr(image, "_run", run)
    monkeypatch.setattr(image, "build", lambda models: built)
    made = image.make(backend, options=["volume=/a:/b:ro"])
    containerize, build, _ = asked
    assert containerize[1:5] == ["containerize", built.tag, "--backend", backend]
    assert "volume=/a:/b:ro" in containerize
    assert ("format=docker" in containerize) == ("--format=docker" in build) == format_given
    assert build[build.index("--tag") + 1] == made.name == built.tag
    assert made.size == 5_000_000
    (deployment,) = workloads(render(KUBERNETES / "overlays" / "local"))
    local = pod_of(deployment)["spec"]["containers"][0]["image"]
    assert local.removeprefix("localhost/") in build  # podman and buildah put that before a name without a host


def test_a_step_that_fails_ends_it_with_a_sentence(built: Built, programs: Path) -> None:
    program(programs, "docker", 7)
    with pytest.raises(image.NoImage, match="docker info` ended with 7"):
        image._run(["docker", "info"])
