"""Which code this is: the version of its newest tag, its commit, and whether it was changed since."""

from __future__ import annotations

import subprocess
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent


class NoCheckout(Exception):
    """The code is not a git checkout; the message says what is needed."""


@dataclass(frozen=True)
class CodeVersion:
    """The code of a checkout.

    Args:
        release: of the newest tag `v*` before the commit; without one, of pyproject.toml.
        commit: all its digits.
        committed: when; stands for the time of building, so that building twice gives the same.
        dirty: whether files differ from the commit, or are not in it.
    """

    release: str
    commit: str
    committed: datetime
    dirty: bool

    def __str__(self) -> str:
        """`<release>-<commit>`, and `-dirty` where the commit alone does not say what the code is."""
        return f"{self.release}-{self.commit[:12]}{'-dirty' if self.dirty else ''}"


def code_version(root: Path = ROOT) -> CodeVersion:
    """Read it from git.

    Raises:
        NoCheckout: git is missing, or `root` is not in a checkout with a commit.
    """
    try:
        commit, seconds = git(root, "log", "-1", "--format=%H %ct").split()
        dirty = bool(git(root, "status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoCheckout("The version is made of the commit: build in a git checkout of the code.") from error
    return CodeVersion(_release(root), commit, datetime.fromtimestamp(int(seconds), UTC), dirty)


def _release(root: Path) -> str:
    try:
        return git(root, "describe", "--tags", "--abbrev=0", "--match=v[0-9]*").removeprefix("v")
    except subprocess.CalledProcessError:
        project = tomllib.loads((root / "pyproject.toml").read_text())
        return str(project["project"]["version"])


def git(root: Path, *arguments: str) -> str:
    """What git says in a checkout.

    Raises:
        OSError: git is missing.
        CalledProcessError: it refuses.
    """
    done = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
