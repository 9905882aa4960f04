"""Lines into files that are bounded: a file that is full is set aside under the next number, the oldest are deleted.

The open file is `<name>-<worker>.jsonl`, those set aside `<name>-<worker>.000001.jsonl` and so on. A lock keeps
another process out of the open file; a second server on the same directory writes to `<name>-<worker>-2.jsonl`.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path

MOST_WRITERS = 64
"""Most processes that may use one worker's name in one directory."""

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class RotatingFiles:
    """Appends whole lines. For one thread. Nothing is opened before the first write.

    Args:
        directory: made when it is missing, with its parents.
        stem: the name of the files, without the ending.
        max_file_bytes: a file is set aside before it would become larger, unless one write alone is.
        max_files: most files that are kept, the open one included.
    """

    def __init__(self, directory: Path, stem: str, max_file_bytes: int, max_files: int) -> None:
        self._directory, self._wanted = directory, stem
        self._max_bytes, self._max_files = max_file_bytes, max_files
        self._stem, self._fd, self._size = stem, -1, 0

    @property
    def path(self) -> Path:
        """The open file."""
        return self._directory / f"{self._stem}.jsonl"

    def write(self, lines: bytes) -> None:
        """Append lines, all of them or none. The next write opens the file anew after an error.

        Args:
            lines: whole lines, each with its end.

        Raises:
            OSError: they could not be written.
        """
        try:
            self._open_if_gone()
            if self._size and self._size + len(lines) > self._max_bytes:
                self._rotate()
            self._append(lines)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Let the file and its lock go."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with suppress(OSError):  # what it could say, a write has said
                os.close(fd)

    def _append(self, lines: bytes) -> None:
        left = memoryview(lines)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            self._take_back()
            raise
        self._size += len(lines)

    def _take_back(self) -> None:
        """Remove what was written of a failed write; shrinking works on a full disk too."""
        with suppress(OSError):  # else a torn line stays, and the next opening ends it
            os.ftruncate(self._fd, self._size)

    def _open_if_gone(self) -> None:
        """Open the file at first, and again when somebody has deleted or moved it."""
        if self._fd >= 0 and not self._is_in_place():
            self.close()
        if self._fd < 0:
            self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._open()

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        for number in range(1, MOST_WRITERS + 1):
            self._stem = self._wanted if number == 1 else f"{self._wanted}-{number}"
            self._fd = os.open(self.path, _FLAGS, 0o640)  # rows may be personal: not for everyone
            if _locked(self._fd):
                break
            self.close()
        else:
            raise OSError(f"{MOST_WRITERS} processes write to {self._wanted} already")
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._append(b"\n")  # a process died while it wrote: its torn line must not spoil ours

    def _rotate(self) -> None:
        aside = self._set_aside()
        number = aside[-1][0] + 1 if aside else 1
        os.rename(self.path, self._directory / f"{self._stem}.{number:06d}.jsonl")
        self.close()
        self._open()
        for _, path in self._set_aside()[: -(self._max_files - 1) or None]:
            path.unlink(missing_ok=True)

    def _set_aside(self) -> list[tuple[int, Path]]:
        """Number and path of the files set aside, oldest first."""
        form = re.compile(re.escape(self._stem) + r"\.(\d{6,})\.jsonl")
        found = [(form.fullmatch(name), name) for name in os.listdir(self._directory)]
        return sorted((int(match[1]), self._directory / name) for match, name in found if match)


def _locked(fd: int) -> bool:
    """Whether the file is ours now. A file system without locks keeps nobody out."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
