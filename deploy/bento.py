"""`python -m deploy.bento`: build the Bento, named after the code, with the model versions that the plan names.

The same commit and the same published versions give the same content digest, which is printed. It is of every file of
the Bento; the model versions are named in it, and a version's name ends in the digest of its content.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bentoml
import yaml
from bentoml.exceptions import BentoMLException, NotFound

from deploy.code_version import ROOT, CodeVersion, NoCheckout, code_version
from deploy.digest import content_digest, files_of
from registry import store
from registry.errors import NoVersion, PlanMissing, RegistryError
from registry.rollout import PLACE_VARIABLE, default_plan, plan_file

BENTOFILE = ROOT / "bentofile.yaml"
DESCRIPTION_FILE = "bento.yaml"


@dataclass(frozen=True)
class Built:
    """A Bento in the store.

    Args:
        tag: `name:version`.
        models: tags of the pinned versions; the first of a model serves while there is no plan.
        base_image: what `bentoml containerize` begins with.
        files: path and digest of each file.
    """

    tag: str
    models: tuple[str, ...]
    base_image: str
    code: CodeVersion
    path: Path
    files: dict[str, str]

    @property
    def digest(self) -> str:
        """The content digest."""
        return content_digest(self.files)

    def __str__(self) -> str:
        size = sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())
        lines = [f"bento   {self.tag}", f"digest  {self.digest}", *(f"model   {tag}" for tag in self.models)]
        return "\n".join([*lines, f"files   {len(self.files)}, {size / 1e6:.1f} MB without the models"])


def build(wanted: Sequence[str] = (), version: str = "") -> Built:
    """Build the Bento that bentofile.yaml describes; one of the same name is replaced.

    Args:
        wanted: model tags to pin; none: for each model of bentofile.yaml the versions that its rollout plan names,
            stable first, and without a plan the newest.
        version: other than the code's.

    Raises:
        NoCheckout: there is no commit to name it after.
        RegistryError: the plan cannot be read, or the store lacks a version.
        BentoMLException: BentoML cannot build it.
    """
    _forget_settings()
    code = code_version()
    options: dict[str, Any] = yaml.safe_load(BENTOFILE.read_text())
    models = _checked(wanted) if wanted else _planned(options)
    labels = {**options.pop("labels", {}), "release": code.release, "commit": code.commit}
    options |= {"models": models, "labels": labels, "version": version or str(code)}
    _forget_bento(options["service"], options["version"])
    bento = bentoml.build(**options, build_ctx=str(ROOT))
    description = Path(bento.path) / DESCRIPTION_FILE
    _settle(description, code)
    base_image = yaml.safe_load(description.read_text())["image"]["base_image"]
    return Built(str(bento.tag), tuple(models), base_image, code, Path(bento.path), files_of(Path(bento.path)))


def planned_models() -> list[str]:
    """The model tags of a Bento that is built now, without a word about which.

    Raises:
        RegistryError: a plan cannot be read, or the store lacks a version.
    """
    return _planned(yaml.safe_load(BENTOFILE.read_text()))


def _planned(options: Mapping[str, Any]) -> list[str]:
    return [tag for entry in options["models"] for tag in pinned(entry)]


def pinned(entry: str) -> list[str]:
    """The model tags that an entry of bentofile.yaml stands for: `name:latest` for all that the plan names.

    Raises:
        RegistryError: the plan cannot be read, or the store lacks a version.
    """
    name, _, version = entry.partition(":")
    if version not in ("", store.LATEST):
        return _checked([entry])
    try:
        plan = plan_file(name).read()
    except PlanMissing:
        plan = default_plan(name)
    return _checked([f"{name}:{planned}" for planned in plan.versions])


def _checked(tags: Sequence[str]) -> list[str]:
    """The tags with `latest` made a version's name, each once."""
    found: list[str] = []
    for tag in tags:
        try:
            stored = str(bentoml.models.get(tag).tag)
        except NotFound:
            raise NoVersion(f"the model store does not hold {tag}; `bentoml models list` shows what it has") from None
        if stored not in found:
            found.append(stored)
    return found


def _forget_settings() -> None:
    """The settings of whoever builds must not get into what is built."""
    for name in [name for name in os.environ if name.startswith("PLUMBLINE_") and name != PLACE_VARIABLE]:
        del os.environ[name]


def _forget_bento(service: str, version: str) -> None:
    name = bentoml.load(service, working_dir=str(ROOT)).name
    try:
        bentoml.bentos.delete(f"{name}:{version}")
    except NotFound:
        return


def _settle(description: Path, code: CodeVersion) -> None:
    """Put the commit's time where BentoML writes that of building: nothing else differs between two builds."""
    text = description.read_text()
    time = f"creation_time: {code.committed:%Y-%m-%d %H:%M:%S}+00:00"
    settled, number = re.subn(r"^creation_time: .*$", time, text, count=1, flags=re.MULTILINE)
    if not number:
        raise BentoMLException(f"{description.name} has no creation_time; BentoML writes it in another way now.")
    description.write_text(settled)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: built; 1: it could not be, with a sentence."""
    parser = argparse.ArgumentParser(prog="python -m deploy.bento", description=__doc__)
    parser.add_argument("--model", action="append", default=[], metavar="NAME:VERSION", help="pin this; repeatable")
    parser.add_argument("--version", default="", help="name it so, instead of <release>-<commit>")
    parser.add_argument("--files", action="store_true", help="also list the digest of each file")
    options = parser.parse_args(arguments)
    logging.getLogger("bentoml").setLevel(logging.WARNING)
    try:
        built = build(options.model, options.version)
    except (NoCheckout, RegistryError, BentoMLException) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.files:
        sys.stdout.writelines(f"{digest:<66}{path}\n" for path, digest in built.files.items())
    sys.stdout.write(f"{built}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
