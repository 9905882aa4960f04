"""Counts that workers share: integers in a mapped file, a row for each worker, and sums over all rows.

A worker writes to its own row only, so nothing is locked and nothing is lost; the sum over rows is what one worker
would have counted. A row outlives its worker: whoever claims the same slot next goes on counting in it.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from monitoring import state_files

logger = logging.getLogger(__name__)

SLOTS = 64
"""Most workers on a host; as many as PLUMBLINE_WORKERS allows."""

Counts = npt.NDArray[np.int64]


class NoSlot(RuntimeError):
    """All slots of a folder are taken."""


class Slot:
    """A worker's number among those that share a folder. The system frees it when the process ends, however it ends.

    Args:
        number: 0 to SLOTS - 1.
        handle: of the locked file.
    """

    def __init__(self, number: int, handle: int | None) -> None:
        self.number, self._handle = number, handle

    @classmethod
    def claim(cls, folder: Path) -> Slot:
        """The first free one.

        Raises:
            NoSlot: there is none.
            OSError: the folder cannot be written.
        """
        for number in range(SLOTS):
            handle = state_files.locked(folder / f"worker-{number}.lock")
            if handle is not None:
                return cls(number, handle)
        raise NoSlot(f"{SLOTS} workers share {folder} already; give this service a state folder of its own")

    def release(self) -> None:
        """Let another worker have it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class SharedCounts:
    """Integers for each worker.

    Args:
        rows: everybody's, shape (SLOTS, size).
        slot: this worker's.
    """

    def __init__(self, rows: Counts, slot: int) -> None:
        self.rows = rows
        self.own: Counts = rows[slot]

    def summed(self, places: slice) -> Counts:
        """The sums over all workers of some of the integers."""
        summed: Counts = self.rows[:, places].sum(axis=0)
        return summed


def in_memory(size: int, slot: int) -> SharedCounts:
    """`size` integers where no file can be had: this worker's counts alone, lost with it."""
    return SharedCounts(np.zeros((SLOTS, size), np.int64), slot)


def open_counts(path: Path, size: int, slot: int) -> SharedCounts:
    """Shared counts, or, with a warning, this worker's alone: counting must not stop a service."""
    try:
        return SharedCounts(mapped(path, size), slot)
    except OSError as error:
        logger.warning("counts stay in this worker's memory", extra={"file": path.name, "why": str(error.strerror)})
        return in_memory(size, slot)


def mapped(path: Path, size: int) -> Counts:
    """A file as an array of shape (SLOTS, size). What it counts belongs into its name: of another size it begins anew.

    Raises:
        OSError: it can be neither read nor made.
    """
    length = SLOTS * size * 8
    handle = _locked(path, length)
    try:
        if not os.fstat(handle).st_size:
            os.posix_fallocate(handle, 0, length)  # now, not at some later write, is when a full disk must be known
        mapped = mmap.mmap(handle, length)
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)  # the map keeps the file open, and with it would keep the lock
        os.close(handle)
    return np.frombuffer(mapped, np.int64).reshape(SLOTS, size)


def _locked(path: Path, length: int) -> int:
    """The file, open and locked, empty or of the right length: two that start at once must not both make it.

    One of another length makes room for a new one. It is not cut: a worker that has it mapped would die of it.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(path, handle):
                if os.fstat(handle).st_size in (0, length):
                    return handle
                logger.warning("counts begin anew: the file has another size", extra={"file": path.name})
                path.unlink()
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    """Whether the open file is still the one at this place: whoever held the lock before may have replaced it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False
