"""The runner service without a wire: what it holds and for how long, and what a worker makes of its answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import numpy as np
import pytest

from registry.errors import TooSlow
from schemas.errors import InferenceFailed, PlumblineError, PreprocessingFailed, TimedOut
from serving import held_versions
from serving.batch import BatchComputer, Results
from serving.frames import Call, read_answer, read_call, write_answer, write_call
from serving.held_versions import HeldVersions
from serving.remote import ServiceComputer
from serving.runner import Runner, RunnerLimits
from tests.fake_model import TRANSFORM_RAISES, FakeCheck, FakeModel, expected, matrix

LATER = 1e12


def fakes(version: str) -> BatchComputer:
    """The version is the salt; some names are refused."""
    if version == "slow":
        raise TooSlow("it is slow")
    return BatchComputer(FakeModel(float(version)), FakeCheck())


def test_a_call_comes_through_the_wire_bit_by_bit() -> None:
    rows = np.array([[0.1, np.nan, 1e-300], [-np.inf, -1.0, 10.0]])  # 10.0 holds the byte of a line feed
    call = read_call(write_call(Call("7", "20200101-abc", 12.5, rows)))
    assert (call.number, call.version, call.deadline) == ("7", "20200101-abc", 12.5)
    assert call.rows.tobytes() == rows.tobytes()
    assert call.rows.shape == rows.shape


def test_one_batch_has_several_versions_and_each_call_its_own_answer() -> None:
    held = HeldVersions(fakes, max_batch_rows=3)
    for version in ("0.25", "0.5"):
        assert held.hold("a", version) == []
    calls = [Call(str(i), ("0.25", "0.5", "unknown")[i % 3], LATER, matrix(i, i + 100)) for i in range(30)]
    calls[4].rows[1, 1] = TRANSFORM_RAISES
    calls[6].deadline = time.monotonic() - 1
    answers = dict(read_answer(frame) for frame in held.answer([write_call(call) for call in calls]))
    assert list(answers) == [call.number for call in calls]
    assert isinstance(answers.pop("4"), PreprocessingFailed)
    assert isinstance(answers.pop("6"), TimedOut)
    for number, answer in answers.items():
        call = calls[int(number)]
        if call.version == "unknown":
            assert answer is None
        else:
            assert isinstance(answer, Results)
            assert answer.value == expected(call.rows, float(call.version))


def test_a_version_is_held_as_long_as_some_worker_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    held = HeldVersions(fakes, max_batch_rows=3)
    held.hold("a", "1")
    held.hold("b", "1")
    held.hold("b", "2")
    held.release("b")
    held.hold("a", "1")
    assert held.held == {"1"}
    monkeypatch.setattr(held_versions, "LEASE_SECONDS", -1.0)
    held.hold("a", "1")
    assert held.held == held.wanted == set()


def test_a_refusal_keeps_its_reason_and_changes_nothing() -> None:
    held = HeldVersions(fakes, max_batch_rows=3)
    held.hold("a", "1")
    assert held.hold("a", "slow") == ["too_slow", "it is slow"]
    assert held.hold("a", "no number")[0] == "refused"
    assert held.held == held.wanted == {"1"}


class BadLink:
    """Does to calls what `spoil` does; `held` counts how often the version was asked for."""

    def __init__(self, spoil: Callable[[list[bytes]], list[bytes]]) -> None:
        self._spoil, self.calls, self.held = spoil, 0, 0

    def compute(self, frames: list[bytes], seconds: float) -> list[bytes]:
        """Fail."""
        self.calls += 1
        return self._spoil(frames)

    def hold(self, version: str) -> list[str]:
        """Count."""
        self.held += 1
        return ["missing", "no such version"]


def submitted(link: BadLink, timeout: float = 60.0) -> Results | PlumblineError:
    """What one request of two rows gets."""
    limits = RunnerLimits(timeout_seconds=timeout)
    runner = Runner(ServiceComputer("1", link, timeout), limits)
    try:
        return asyncio.run(runner.submit(matrix(1, 2)))
    except PlumblineError as error:
        return error
    finally:
        runner.close()


def short(frame: bytes) -> bytes:
    return write_answer(read_call(frame).number, Results([1.0], None, None, []))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda frames: [],
        lambda frames: [short(frame) for frame in frames],
        lambda frames: [write_answer("other", None) for _ in frames],
    ],
    ids=["lost", "short", "swapped"],
)
def test_wrong_answers_are_errors_and_never_results(spoil: Callable[[list[bytes]], list[bytes]]) -> None:
    assert isinstance(submitted(BadLink(spoil)), InferenceFailed)


def test_a_service_that_does_not_come_back_is_a_timeout() -> None:
    def broken(frames: list[bytes]) -> list[bytes]:
        raise ConnectionResetError

    link = BadLink(broken)
    assert isinstance(submitted(link, timeout=0.2), TimedOut)
    assert link.calls > 1


def test_a_service_that_was_started_again_is_asked_to_hold_the_version() -> None:
    held = HeldVersions(fakes, max_batch_rows=3)

    class Restarted(BadLink):
        def hold(self, version: str) -> list[str]:
            super().hold(version)
            return held.hold("a", version)

    link = Restarted(held.answer)
    found = submitted(link)
    assert isinstance(found, Results)
    assert found.value == [4.0, 7.0]
    assert (link.calls, link.held) == (2, 1)
