"""`python -m deploy.image`: an image of the Bento, with docker, podman or buildah, whichever is there.

`bentoml containerize` installs the locked packages and copies the model versions in; deploy/container/Containerfile
then keeps what serves. The image is `<name>:<version>` as the Bento is, and also `<bento>:local`, which the manifests
for one's own machine name.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bentoml.exceptions import BentoMLException

from deploy.bento import Built, build
from deploy.code_version import ROOT, NoCheckout
from registry.errors import RegistryError

CONTEXT = ROOT / "deploy" / "container"
BACKENDS = ("docker", "podman", "buildah")


class NoImage(Exception):
    """The image cannot be built; the message says why."""


@dataclass(frozen=True)
class Image:
    """A built image.

    Args:
        size: of all its layers, in bytes.
    """

    name: str
    backend: str
    size: int
    built: Built

    def __str__(self) -> str:
        return f"{self.built}\nimage   {self.name}\nsize    {self.size / 1e6:.0f} MB ({self.backend})"


def make(backend: str = "", name: str = "", options: Sequence[str] = (), models: Sequence[str] = ()) -> Image:
    """Build the Bento and then its image.

    Args:
        backend: one of BACKENDS; none: the first that works.
        name: of the image, without a version; none: that of the Bento.
        options: of the backend's `build`, as `name=value`; for machines that reach packages in a way of their own.
        models: as for `deploy.bento.build`.

    Raises:
        NoImage: no backend works, or a step failed.
        NoCheckout, RegistryError, BentoMLException: there is no Bento; see `deploy.bento.build`.
    """
    backend = backend or _working()
    built = build(models)
    bento_name, _, version = built.tag.partition(":")
    rough, image = f"localhost/{bento_name}-bento:{version}", f"{name or bento_name}:{version}"
    bentoml = Path(sys.executable).with_name("bentoml")
    containerize = [str(bentoml), "containerize", built.tag, "--backend", backend, "--image-tag", rough]
    for option in [*_of_format(backend), *options]:
        containerize += ["--opt", option]
    _run(containerize)
    tags = ["--tag", image, "--tag", f"{bento_name}:local"]
    _run([*_build(backend), *_arguments(built, rough), *tags, str(CONTEXT)])
    return Image(image, backend, _size(backend, image), built)


def labels(built: Built) -> dict[str, str]:
    """The image's labels: OCI's own, and which models and which Bento are inside."""
    return {
        "org.opencontainers.image.title": built.tag.partition(":")[0],
        "org.opencontainers.image.description": "A Plumbline service: predictions with intervals, and drift alarms",
        "org.opencontainers.image.version": built.tag.partition(":")[2],
        "org.opencontainers.image.revision": built.code.commit,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.base.name": built.base_image,
        "plumbline.models": " ".join(built.models),
        "plumbline.bento": built.tag,
        "plumbline.bento.digest": built.digest,
    }


def _arguments(built: Built, rough: str) -> list[str]:
    given = {"BENTO_IMAGE": rough, "BASE_IMAGE": built.base_image}
    arguments = [f"--build-arg={name}={value}" for name, value in given.items()]
    return arguments + [f"--label={name}={value}" for name, value in labels(built).items()]


def _build(backend: str) -> list[str]:
    command = [backend, "build", "--file", str(CONTEXT / "Containerfile")]
    return command + [f"--{option}" for option in _of_format(backend)]


def _of_format(backend: str) -> list[str]:
    """Only Docker's format knows health checks; the other backends write OCI's unless they are told."""
    return [] if backend == "docker" else ["format=docker"]


def _working() -> str:
    """The first backend that works. A `docker` whose daemon does not answer is none."""
    for backend in BACKENDS:
        if shutil.which(backend) is None:
            continue
        if subprocess.run([backend, "info"], capture_output=True, check=False).returncode == 0:  # noqa: S603
            return backend
    raise NoImage(f"None of {', '.join(BACKENDS)} works here. On Debian: apt-get install podman buildah")


def _size(backend: str, image: str) -> int:
    if backend == "buildah":
        listed = json.loads(_run(["buildah", "images", "--json", image], quiet=True))
        return _bytes(str(listed[0]["size"]))
    return int(_run([backend, "image", "inspect", "--format={{.Size}}", image], quiet=True))


def _bytes(text: str) -> int:
    """Of buildah's `532 MB`."""
    number, unit = text.split()
    return int(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])


def _run(command: Sequence[str], quiet: bool = False) -> str:
    """Run a step; its output is shown unless it is wanted.

    Raises:
        NoImage: it failed.
    """
    # without layers, which podman and docker always have, buildah gives `env` to no step of a build
    environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "True", "BUILDAH_LAYERS": "true"}
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE if quiet else None, text=True, check=False
    )
    if done.returncode:
        raise NoImage(f"`{' '.join(command[:3])}` ended with {done.returncode}; its output above says why.")
    return done.stdout if quiet else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: built; 1: it could not be, with a sentence."""
    parser = argparse.ArgumentParser(prog="python -m deploy.image", description=__doc__)
    parser.add_argument("--backend", choices=BACKENDS, default="", help="default: the first that works")
    parser.add_argument("--name", default="", help="of the image, such as registry.example/team/house_prices")
    parser.add_argument(
        "--option", action="append", default=[], help="of the backend's build, as name=value; repeatable"
    )
    parser.add_argument("--model", action="append", default=[], metavar="NAME:VERSION", help="pin this; repeatable")
    options = parser.parse_args(arguments)
    try:
        image = make(options.backend, options.name, options.option, options.model)
    except (NoImage, NoCheckout, RegistryError, BentoMLException) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{image}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
