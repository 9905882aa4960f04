"""After `settle` the memory of a large request is used again, and nobody looks for circles in it while it is read."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
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


COLLECTIONS = """
import gc
import sys
from schemas.house_prices import HouseFeatures
from serving import memory
from serving.bulk_bodies import BulkBodies
from tests.conftest import EXAMPLE
import orjson

bodies, body = BulkBodies(HouseFeatures, 10_000), orjson.dumps({"rows": [EXAMPLE] * 10_000})
bodies.read(body)
if sys.argv[1] == "settled":
    memory.settle()
seen = []
gc.callbacks.append(lambda phase, info: seen.append(phase))
bodies.read(body)
print(len(seen))
"""


def said(script: str, how: str) -> int:
    command = [sys.executable, "-c", script, how]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_a_large_request_is_read_without_a_collection() -> None:
    assert said(COLLECTIONS, "as it comes") > 0
    assert said(COLLECTIONS, "settled") == 0


@pytest.mark.skipif(sys.platform != "linux", reason="this is about glibc's malloc")
def test_pages_are_used_again() -> None:
    assert said(FAULTS, "settled") < said(FAULTS, "as it comes") / 4
