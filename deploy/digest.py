"""The content digest of a folder: equal folders have equal digests, whenever and wherever they were written."""

from __future__ import annotations

import hashlib
from pathlib import Path


def files_of(folder: Path) -> dict[str, str]:
    """Each file's path below the folder and its SHA-256, with `x` after that of an executable one. Sorted by path.

    Times, owners and other permissions do not count; a link counts as what it points to.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _digest(path) for path in paths}


def content_digest(files: dict[str, str]) -> str:
    """`sha256:<hex>` over what `files_of` gives."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(files.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def _digest(path: Path) -> str:
    executable = "x" if path.stat().st_mode & 0o100 else ""
    return hashlib.sha256(path.read_bytes()).hexdigest() + executable
