"""How a served process treats its memory: what is loaded stays, what a large request leaves serves the next one."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

KEPT_BYTES = 64 * 1024**2
"""Freed memory that is kept for the next request; what goes beyond it goes back to the system."""

YOUNG_OBJECTS = 10_000
"""Python looks for circles among so many new objects. Its own 700 are fewer than a large request has at once: that was
walked through again and again, 4 % of its time. Hardly any request leaves a circle."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST_KEPT_PIECE = 32 * 1024**2
"""Larger pieces always go back; glibc takes no more."""


def settle() -> None:
    """Call it once what a process serves with is imported.

    A request of 10,000 rows takes some 10 MB, a megabyte a piece. By default glibc gives such pieces back at once, and
    the system clears every page of them anew for the next request: a tenth of its time.
    """
    gc.collect()
    gc.freeze()  # what was imported stays for good: no collection needs to walk through it
    gc.set_threshold(YOUNG_OBJECTS)
    with suppress(AttributeError, OSError):  # another C library: it goes on as it does
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_PIECE)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
