"""After `settle` the memory of a large request is used again, and the system need not clear its pages anew."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource
import sys
from threading import Thread
from serving import memory

if sys.argv[1] == "settled":
    memory.settle()


def requests():
    for _ in range(20):
        pieces = [bytearray(2_000_000) for _ in range(8)]
        del pieces


def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = Thread(target=requests)
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


print(faults())
"""


def faults(how: str) -> int:
    command = [sys.executable, "-c", SCRIPT, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="this is about glibc's malloc")
def test_pages_are_used_again() -> None:
    assert faults("settled") < faults("as it comes") / 4
