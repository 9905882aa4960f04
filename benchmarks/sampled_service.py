"""The reference service with a sampler of stacks in it: `bentoml serve benchmarks.sampled_service:Reference`.

py-spy stops the process for every look and stalls it on one core. This looks from inside: a timer that counts the
process's CPU time interrupts the main thread, and each thread's stack is given the CPU time that the thread spent
since the look before. C code counts for the Python function that called it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from benchmarks.reference_service import Reference

__all__ = ["Reference"]

EVERY_SECONDS = 0.001

_spent: dict[str, float] = {}
_before: dict[int, float] = {}


def _stack(frame: FrameType | None) -> str:
    names: list[str] = []
    while frame is not None:
        code = frame.f_code
        module = frame.f_globals.get("__name__", "?")
        names.append(f"{module}.{code.co_qualname}")
        frame = frame.f_back
    return ";".join(reversed(names))


def _look(_: int, interrupted: FrameType | None) -> None:
    frames = sys._current_frames()
    for thread in threading.enumerate():
        if thread.ident is None or thread.ident not in frames:
            continue
        cpu = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        spent = cpu - _before.get(thread.ident, cpu)
        _before[thread.ident] = cpu
        if spent > 0:
            main = thread is threading.main_thread()
            stack = f"{thread.name};{_stack(interrupted if main else frames[thread.ident])}"
            _spent[stack] = _spent.get(stack, 0.0) + spent


def _write(_: int, frame: FrameType | None) -> None:
    lines = [f"{stack} {round(1e6 * seconds)}" for stack, seconds in _spent.items()]
    written = Path(os.environ["BENCH_STACKS"])
    part = written.with_suffix(".part")
    part.write_text("\n".join(lines))
    part.rename(written)  # whole or not there
    _spent.clear()


if "BENCH_STACKS" in os.environ:
    signal.signal(signal.SIGPROF, _look)
    signal.signal(signal.SIGUSR2, _write)
    signal.setitimer(signal.ITIMER_PROF, EVERY_SECONDS, EVERY_SECONDS)
