"""`python -m release.licences`: write docs/licences.md, the licences of everything that a release holds."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deploy.code_version import ROOT
from release.packages import Package, packages

PAGE = ROOT / "docs" / "licences.md"

FREE = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-Clear", "CC0-1.0", "ISC", "MIT"),
        *("PSF-2.0", "Zlib"),
    }
)
"""Licences that ask for their notice and nothing more."""

BY_FILE = {"MPL-2.0": frozenset({"certifi", "orjson", "pathspec"})}
"""Licences that ask for the source of their own changed files, with the packages that are known to have them."""

HEAD = """# Licences

Plumbline is under the Apache License 2.0 (`LICENSE`, `NOTICE`). A Bento or image of it holds these packages besides,
unchanged, with their notices in their `*.dist-info` folders; of Plotly an image has only these and the script. MPL-2.0
asks for the source of its own files where somebody changes them; nobody does here.

Some wheels carry compiled libraries with licences of their own, each as a file that can be replaced: those of numpy and
scipy OpenBLAS (BSD-3-Clause), libgfortran (GPL-3.0 with GCC's runtime exception) and libquadmath (LGPL-2.1), that of
scikit-learn libgomp (GPL-3.0 with the same exception), that of pyzmq libzmq (MPL-2.0) and libsodium (ISC). BentoML's
carries Swagger UI (Apache-2.0), Plotly's plotly.js (MIT), pysimdjson's simdjson (Apache-2.0). Whoever gives an image
away gives these on: keep the `*.dist-info` folders, which have the texts.

`make licences` writes this page from the installed packages of `requirements/serve.txt`; a test compares it and refuses
a licence that is not known to be harmless.

"""


def objections(found: Sequence[Package]) -> list[str]:
    """Packages whose licence is unknown, or asks for more than is known to be harmless."""
    return [f"{package.name}: {package.licence}" for package in found if not _is_harmless(package)]


def _is_harmless(package: Package) -> bool:
    names = re.findall(r"[A-Za-z0-9.+-]+", package.licence)
    choices = [name for name in names if name not in ("AND", "OR", "WITH")]
    return all(name in FREE or package.name in BY_FILE.get(name, ()) for name in choices)


def row(package: Package) -> str:
    """A package's line of the table; without its version, so that not every update changes the page."""
    return f"| {package.name} | {package.licence} |"


def page(found: Sequence[Package]) -> str:
    """The page."""
    return HEAD + "\n".join(["| Package | Licence |", "| --- | --- |", *map(row, found)]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(packages()))
