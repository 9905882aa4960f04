"""The short way and the long way answer alike, byte for byte, on a really served process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import EXAMPLE
from tests.contract.test_both_ways import QUICK, ROW, WRONG
from tests.served import Served, serve
from tests.wire import Answer, Wire, head, post

VALID = orjson.dumps({"features": EXAMPLE})
LONG = b"Accept-Encoding: identity", b"Accept-Encoding: identity"  # a doubled header is not ordinary
PATHS = st.sampled_from(["/predict", "/predict_batch", "/predict_columns"])


def _bodies() -> st.SearchStrategy[bytes]:
    rows = st.one_of(ROW, st.tuples(ROW, WRONG).map(lambda pair: {**pair[0], **pair[1]}))
    options: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {},
        optional={
            "version": st.sampled_from(["nope", "", 3, None]),
            "routing_key": st.sampled_from(["a", "\u00fc", "", [], None]),
        },
    )
    one = st.tuples(rows, options).map(lambda pair: {"features": pair[0], **pair[1]})
    many = st.tuples(st.lists(rows, max_size=4), options).map(lambda pair: {"rows": pair[0], **pair[1]})
    columns = st.lists(ROW, min_size=1, max_size=4).map(
        lambda found: {"columns": {name: [row.get(name) for row in found] for name in found[0]}}
    )
    written = st.one_of(one, many, columns, ROW).map(lambda body: json.dumps(body).encode())
    broken = st.tuples(written, st.integers(0, 400), st.binary(max_size=3)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + 1 :]
    )
    return st.one_of(written, broken, st.binary(max_size=50))


@pytest.fixture(scope="module")
def served(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service without a cache, so that equal rows get equal answers."""
    with serve(home, tmp_path_factory.mktemp("short_way"), PLUMBLINE_CACHE_URL="off") as running:
        yield running
        assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def wires(served: Served) -> Iterator[tuple[Wire, Wire]]:
    """Two connections that stay."""
    with Wire(served.url) as first, Wire(served.url) as second:
        yield first, second


def lasting(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """An answer without what differs from one to the next; the order of its headers counts."""
    body = re.sub(rb'"prediction_id":(\[[^\]]*\]|"[^"]*")', b"", answer.body)
    return answer.status, [pair for pair in answer.headers.items() if pair[0] != "date"], body


@settings(QUICK, max_examples=3_000)
@given(path=PATHS, body=_bodies())
def test_both_ways_answer_alike(wires: tuple[Wire, Wire], path: str, body: bytes) -> None:
    short, long = wires
    answers = [wire.ask(post(path, body, b"X-Request-ID: same", *more)) for wire, more in ((short, ()), (long, LONG))]
    assert lasting(answers[0]) == lasting(answers[1])
    assert answers[0].headers["x-request-id"] == "same"


def test_a_client_that_wants_the_end_gets_it(served: Served) -> None:
    ends = []
    for more in ((), LONG):
        with Wire(served.url) as wire:
            ends.append(wire.ask(post("/predict", VALID, b"X-Request-ID: same", b"Connection: close", *more)))
            assert wire.ends()
    assert lasting(ends[0]) == lasting(ends[1])
    assert ends[0].headers["connection"] == "close"


@pytest.mark.parametrize("cut", [0, 1, len(VALID) - 1])
def test_a_body_that_comes_later_is_read_whole(served: Served, cut: int) -> None:
    whole = head("/predict", len(VALID))
    with Wire(served.url) as wire:
        for _ in range(3):
            wire.send(whole + VALID[:cut])
            with Wire(served.url) as other:  # the head has been read by the time that this is answered
                assert other.ask(post("/predict", VALID)).status == 200
            assert wire.ask(VALID[cut:]).status == 200


def test_a_mixture_of_ways_in_one_piece_is_answered_in_order(served: Served) -> None:
    bodies = [orjson.dumps({"features": {**EXAMPLE, "living_area_sqft": 1_000 + 100 * n}}) for n in range(12)]
    requests = [post("/predict", body, *(LONG if number % 3 == 1 else ())) for number, body in enumerate(bodies)]
    with Wire(served.url) as alone:
        expected = [alone.ask(post("/predict", body)).json()["prediction"] for body in bodies]
    with Wire(served.url) as wire:
        for first in range(3):  # a short one first, a long one first, and short ones alone
            wire.send(b"".join(requests[first:]))
            assert [wire.answer().json()["prediction"] for _ in requests[first:]] == expected[first:]


def test_clients_that_leave_with_their_request_asked_harm_nobody(served: Served) -> None:
    rows: Any = orjson.dumps({"rows": [EXAMPLE] * 200})
    for body, path in ((VALID, "/predict"), (rows, "/predict_batch")):
        for _ in range(50):
            with Wire(served.url) as wire:
                wire.send(post(path, body))
    with Wire(served.url) as wire:
        assert wire.ask(post("/predict", VALID)).status == 200
