"""The same outcome twice is counted once: the ids that were met, in one file that all workers of a host share.

A hash table with fixed room: 2^17 buckets of 8 places, 8 MiB. A new id goes to the front of its bucket and the oldest
falls out, so ids are forgotten only after about a million others. Ids are signed and random, so nobody can fill a
chosen bucket. All is done under the file's lock, which the system opens when a worker dies; whatever the file holds
then is a valid table.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

FILE = "seen_outcomes"
BUCKETS = 1 << 17
WAYS = 8
_ID_BYTES = 8
_BUCKET_BYTES = WAYS * _ID_BYTES
_HEADER = struct.Struct("<8sII48x")
_BUCKET = struct.Struct(f"<{WAYS}Q")
_MAGIC = b"plumseen"


class SeenIds:
    """Which ids were met. Safe to use from several threads and processes; opens the file anew for every batch.

    Args:
        path: the file, made when first needed. While it cannot be opened, ids are kept in this worker's memory.
        buckets: a power of two; workers that share a file must agree.
    """

    def __init__(self, path: Path, buckets: int = BUCKETS) -> None:
        self._path, self._buckets = path, buckets
        self._header = _HEADER.pack(_MAGIC, buckets, WAYS)
        self._size = _HEADER.size + buckets * _BUCKET_BYTES
        self._lock = threading.Lock()
        self._own: mmap.mmap | None = None

    def add(self, ids: Sequence[bytes]) -> list[bool]:
        """Remember ids of 8 bytes each; for each, in order, whether it was new."""
        if not ids:
            return []
        with self._tables() as tables:
            return [self._is_new(tables, name) for name in ids]

    def _is_new(self, tables: Sequence[mmap.mmap], name: bytes) -> bool:
        found = [self._add(table, name) for table in tables]  # to each, whatever the others say
        return all(found)

    def _add(self, table: mmap.mmap, name: bytes) -> bool:
        number = int.from_bytes(name, "little")
        at = _HEADER.size + (number & (self._buckets - 1)) * _BUCKET_BYTES
        if number in _BUCKET.unpack_from(table, at):
            return False
        table[at : at + _BUCKET_BYTES] = name + table[at : at + _BUCKET_BYTES - _ID_BYTES]
        return True

    @contextmanager
    def _tables(self) -> Iterator[list[mmap.mmap]]:
        """The file's, and this worker's own if there was a time without the file."""
        with self._lock:
            try:
                handle = self._opened()
            except OSError as error:
                yield [self._in_memory(error)]
                return
            try:
                with mmap.mmap(handle, self._size) as table:
                    yield [table] if self._own is None else [table, self._own]
            finally:
                os.close(handle)  # opens the lock too

    def _opened(self) -> int:
        """The file, locked and whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_size != self._size or os.pread(handle, _HEADER.size, 0) != self._header:
                self._make(handle)
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _make(self, handle: int) -> None:
        if os.fstat(handle).st_size:
            logger.warning("%s was broken and is made anew; outcomes before this are no longer known", self._path)
        os.ftruncate(handle, 0)
        os.posix_fallocate(handle, 0, self._size)  # a full disk is an error here, and would kill the worker later
        os.pwrite(handle, self._header, 0)

    def _in_memory(self, error: OSError) -> mmap.mmap:
        if self._own is None:
            logger.warning(
                "outcomes that were met cannot be kept at %s: %s; each worker knows only its own",
                self._path,
                error.strerror,
            )
            self._own = mmap.mmap(-1, self._size)
        return self._own
