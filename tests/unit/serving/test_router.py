"""Which version answers: by name, by share, sticky, and the same everywhere."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.plan import Plan, new_plan
from schemas.errors import NotReady, UnknownVersion
from serving.router import Choice, Routes, routes
from tests.served import ROOT

LIVE = {"a", "b", "c", "d"}
KEYS = [f"customer-{number}" for number in range(100_000)]
SIGMAS = 4.5  # a right router fails this once in about 150,000 salts; the salts here are fixed
ROW = bytes(104)


def trial(weight: float, salt: str = "salt") -> Plan:
    """Stable a, canary b, shadows c and d."""
    plan = new_plan("house_prices", "a", 1).with_canary("b", weight).with_shadows("c", "d")
    return plan.model_copy(update={"salt": salt})


def drawn(made: Routes, keys: list[str] = KEYS) -> set[str]:
    """The keys that the canary answers."""
    return {key for key in keys if made.choose(None, key, b"").variant == "canary"}


def within_sampling_error(count: int, total: int, share: float) -> bool:
    """Whether a count is what a binomial draw of that share gives."""
    return abs(count - total * share) <= SIGMAS * math.sqrt(total * share * (1 - share))


@pytest.mark.parametrize("weight", [0.001, 0.01, 0.1, 0.2, 0.5, 0.9])
def test_shares_are_the_weights(weight: float) -> None:
    made = routes(trial(weight), LIVE)
    assert within_sampling_error(len(drawn(made)), len(KEYS), weight)
    by_row = sum(made.choose(None, None, key.encode()).variant == "canary" for key in KEYS)
    assert within_sampling_error(by_row, len(KEYS), weight)


def test_weights_of_nothing_and_all_are_exact() -> None:
    assert drawn(routes(trial(0.0), LIVE)) == set()
    assert drawn(routes(trial(1.0), LIVE)) == set(KEYS)


def test_raising_the_weight_takes_no_key_back() -> None:
    before: set[str] = set()
    for weight in (0.0, 0.1, 0.2, 0.5, 1.0):
        now = drawn(routes(trial(weight), LIVE))
        assert before <= now
        before = now


@given(st.text(min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_no_key_goes_back_whatever_the_weights(key: str, one: float, other: float) -> None:
    low, high = (routes(trial(weight), LIVE).choose(None, key, b"") for weight in sorted((one, other)))
    assert (low.variant, high.variant) != ("canary", "stable")


def test_two_salts_draw_independently() -> None:
    one, other = (drawn(routes(trial(0.2, salt), LIVE)) for salt in ("one", "other"))
    assert within_sampling_error(len(one & other), len(KEYS), 0.2 * 0.2)


def test_another_process_with_another_hash_seed_draws_the_same() -> None:
    code = (
        "from tests.unit.serving.test_router import *\n"
        "print(' '.join(sorted(drawn(routes(trial(0.1), LIVE), KEYS[:5000]))))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True, text=True, timeout=60
    )
    assert set(done.stdout.split()) == drawn(routes(trial(0.1), LIVE), KEYS[:5000])


def test_the_draw_is_pinned_for_ever() -> None:
    """Another hash would move customers between versions in the middle of a trial: change it only on purpose."""
    assert drawn(routes(trial(0.1), LIVE), KEYS[:40]) == {"customer-1", "customer-24"}


def test_a_routing_key_is_preferred_to_the_row() -> None:
    made = routes(trial(0.5), LIVE)
    for key in KEYS[:100]:
        choices = {made.choose(None, key, row) for row in (b"", b"one", b"other")}
        assert len(choices) == 1


def test_a_row_can_be_any_buffer() -> None:
    made = routes(trial(0.5), LIVE)
    assert made.choose(None, None, ROW) == made.choose(None, None, memoryview(ROW))


def test_a_request_can_name_every_live_version() -> None:
    made = routes(trial(0.0), LIVE | {"being-dropped"})
    assert made.live == ["a", "b", "c", "d"]
    chosen = [made.choose(name, "key", ROW) for name in "abcd"]
    assert chosen == [Choice("a", "stable"), Choice("b", "canary"), Choice("c", "shadow"), Choice("d", "shadow")]


@pytest.mark.parametrize("name", ["", "z", "being-dropped", "c"])
def test_a_name_that_is_not_live_is_unknown_and_the_live_ones_are_listed(name: str) -> None:
    made = routes(trial(0.5), {"a", "b", "being-dropped"})
    with pytest.raises(UnknownVersion, match="live: a, b") as caught:
        made.choose(name, None, ROW)
    assert caught.value.extension == {"live_versions": ["a", "b"]}


def test_a_canary_that_is_not_live_leaves_its_share_to_the_stable_version() -> None:
    made = routes(trial(1.0), {"a"})
    assert {made.choose(None, key, b"") for key in KEYS[:100]} == {Choice("a", "stable")}


def test_nothing_is_ready_until_the_stable_version_is_live() -> None:
    with pytest.raises(NotReady, match="version a is not live"):
        routes(trial(0.5), {"b"})


def test_shadows_are_those_that_are_live_in_the_order_of_the_plan() -> None:
    plan = trial(0.5).with_shadows("d", "c", "e")
    assert routes(plan, LIVE).shadows == ("d", "c")


def test_nothing_is_hashed_without_a_canary(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = routes(new_plan("house_prices", "a", 1), LIVE)
    silent = routes(trial(0.0), LIVE)
    monkeypatch.setattr("serving.router.blake2b", None)
    assert plain.choose(None, "key", ROW).version == silent.choose(None, "key", ROW).version == "a"
