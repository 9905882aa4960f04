"""The packages that a release holds: what requirements/serve.txt locks, with the licence that each states."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement

from deploy.code_version import ROOT

LOCK = ROOT / "requirements" / "serve.txt"

UNKNOWN = "unknown"

_SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    **{name: name for name in ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MPL-2.0", "PSF-2.0")},
}
_READ = {
    **dict.fromkeys(("jinja2", "nvidia-ml-py", "scipy"), "BSD-3-Clause"),
    **dict.fromkeys(("pysimdjson", "skops"), "MIT"),
}
"""What the licence files of these say, whose metadata do not say it well enough."""


@dataclass(frozen=True)
class Package:
    """A locked package that is installed here.

    Args:
        licence: an SPDX expression, or UNKNOWN.
    """

    name: str
    version: str
    licence: str

    @property
    def url(self) -> str:
        """Its package URL (purl)."""
        return f"pkg:pypi/{self.name}@{self.version}"


def locked(lock: Path = LOCK) -> list[Requirement]:
    """What the lock asks for on this platform and Python, by name."""
    lines = re.findall(r"^([A-Za-z0-9][^\\\n]*?)\s*\\?$", lock.read_text(), re.MULTILINE)
    wanted = [Requirement(line) for line in lines]
    return [found for found in wanted if found.marker is None or found.marker.evaluate()]


def packages(lock: Path = LOCK) -> list[Package]:
    """The locked packages.

    Raises:
        LookupError: one is not installed, or in another version.
    """
    return [_package(wanted) for wanted in locked(lock)]


def _package(wanted: Requirement) -> Package:
    try:
        stated = cast(Message, distribution(wanted.name).metadata)  # what it is, and more than its type promises
    except PackageNotFoundError:
        raise LookupError(f"{wanted.name} is locked and not installed; run: make test") from None
    if not wanted.specifier.contains(stated["Version"], prereleases=True):
        raise LookupError(f"{wanted} is locked, and {stated['Version']} is installed; run: make test")
    return Package(wanted.name, stated["Version"], licence(wanted.name, stated))


def licence(name: str, stated: Message) -> str:
    """The licence as an SPDX expression: as stated, as read from its file, or as its classifiers have it."""
    if expression := stated.get("License-Expression"):
        return str(expression)
    if name in _READ:
        return _READ[name]
    if (said := _SPDX.get(str(stated.get("License") or "").strip())) is not None:
        return said
    classes = [text.rpartition(" :: ")[2] for text in stated.get_all("Classifier") or [] if text.startswith("License")]
    found = [_SPDX[text] for text in classes if text in _SPDX]
    return " OR ".join(found) if found and len(found) == len(classes) else UNKNOWN
