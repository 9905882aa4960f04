"""The version that a Bento and an image are named after."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.code_version import NoCheckout, code_version

WHO = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *WHO, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one commit."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.3.0"\n')
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    return tmp_path


def test_without_a_tag_the_project_says_the_release(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    code = code_version(checkout)
    assert str(code) == f"0.3.0-{commit[:12]}"
    assert code.commit == commit


def test_the_newest_tag_is_the_release(checkout: Path) -> None:
    git(checkout, "tag", "v1.4.0")
    git(checkout, "tag", "not-a-release")
    git(checkout, "commit", "--quiet", "--allow-empty", "--message=second")
    assert code_version(checkout).release == "1.4.0"


@pytest.mark.parametrize("name", ["pyproject.toml", "new.py"])
def test_a_change_that_no_commit_holds_shows_in_the_name(checkout: Path, name: str) -> None:
    with (checkout / name).open("a") as file:
        file.write("# changed\n")
    assert str(code_version(checkout)).endswith("-dirty")


def test_the_time_is_that_of_the_commit(checkout: Path) -> None:
    seconds = int(git(checkout, "log", "-1", "--format=%ct"))
    assert code_version(checkout).committed.timestamp() == seconds


def test_outside_a_checkout_it_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(NoCheckout, match="build in a git checkout"):
        code_version(tmp_path)
