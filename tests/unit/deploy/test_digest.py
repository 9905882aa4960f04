"""What the content digest sees, and what it does not."""

from __future__ import annotations

import os
from pathlib import Path

from deploy.digest import content_digest, files_of


def write(folder: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return content_digest(files_of(folder))


def test_equal_content_has_equal_digests_wherever_and_whenever_it_was_written(tmp_path: Path) -> None:
    first = write(tmp_path / "a", {"x/y": "1", "z": "2"})
    second = write(tmp_path / "b", {"z": "2", "x/y": "1"})
    os.utime(tmp_path / "b" / "z", (0, 0))
    (tmp_path / "b" / "z").chmod(0o600)
    assert first == second == content_digest(files_of(tmp_path / "b"))
    assert first.startswith("sha256:")


def test_content_names_and_what_can_be_run_count(tmp_path: Path) -> None:
    digests = [write(tmp_path / str(number), {"a": "1", "b": "2"}) for number in range(4)]
    (tmp_path / "1" / "a").write_text("3")
    (tmp_path / "2" / "a").rename(tmp_path / "2" / "c")
    (tmp_path / "3" / "a").chmod(0o755)
    changed = {content_digest(files_of(tmp_path / str(number))) for number in range(4)}
    assert len(changed) == 4
    assert digests[0] in changed
