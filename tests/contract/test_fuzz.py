"""Whatever a client sends: one error shape, no 5xx, and a finite price for each valid row."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from typing import Any

import httpx
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import all_errors
from schemas.house_prices import HouseFeatures
from tests.conftest import EXAMPLE
from tests.contract.test_columns import columns
from tests.inprocess import InProcess
from tests.served import Served
from tests.wire import Wire

IN_PROCESS = 1_000
"""Cases of each strategy; three strategies in process."""
OVER_THE_WIRE = 400

CODES = {error.code: error.status for error in all_errors()}
MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}
BROKEN_INPUT = {"malformed_json", "validation", "unknown_version"}

EXTREMES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(0, -0.0, -1, 1e308, -1e308, 5e-324, 2**31, 2**53 + 1, 2**63, 2**64, 10**400, -(10**400), 0.1 + 0.2),
        *("", " ", "0", "1e5", "NaN", "\x00", "\ud800", "\u202e", "😀" * 40, "x" * 3_000, "2016-12-15T00:00:00Z"),
        *(None, True, False, [], {}, [[]], {"": None}, float("nan"), float("inf")),
        *("0001-01-01", "9999-12-31", "2016-02-30", "16-12-15", 1_481_760_000),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | EXTREMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from([*HouseFeatures.names(), "features", "rows", "version", "__class__", "row", ""])
CHANGES = st.lists(
    st.tuples(st.sampled_from(["set", "set", "drop", "rename", "swap"]), NAMES, NAMES, EXTREMES | JSON), max_size=3
)


def changed(row: dict[str, Any], changes: list[tuple[str, str, str, Any]]) -> dict[str, Any]:
    """A row with a few things wrong, or none."""
    row = dict(row)
    for kind, name, other, value in changes:
        if kind == "set":
            row[name] = value
        elif kind == "drop":
            row.pop(name, None)
        elif kind == "rename" and name in row:
            row[other] = row.pop(name)
        elif kind == "swap":
            row[name], row[other] = row.get(other), row.get(name)
    return row


def encoded(value: Any) -> bytes:
    """JSON as sloppy clients write it: NaN, lone surrogates and integers of any length included."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


ROWS = CHANGES.map(lambda changes: changed(EXAMPLE, changes))
OPTIONS = st.fixed_dictionaries({}, optional={"version": EXTREMES | st.none(), "routing_key": EXTREMES | st.text()})
ONE = st.builds(lambda row, options: ("/predict", encoded({"features": row, **options})), ROWS, OPTIONS)
MANY = st.builds(
    lambda rows, options: ("/predict_batch", encoded({"rows": rows, **options})), st.lists(ROWS, max_size=4), OPTIONS
)
TABLE = st.builds(
    lambda rows, options: ("/predict_columns", encoded({"columns": columns(rows), **options})),
    st.lists(ROWS, max_size=4),
    OPTIONS,
)
PATHS = st.sampled_from(["/predict", "/predict_batch", "/predict_columns"])
ANY_JSON = st.tuples(PATHS, JSON.map(encoded))
VALID = orjson.dumps({"features": EXAMPLE, "rows": [EXAMPLE]})


@st.composite
def spoilt_bytes(draw: st.DrawFn) -> tuple[str, bytes]:
    """Bytes at random, or those of a valid body with a piece of them replaced."""
    path, piece = draw(PATHS), draw(st.binary(max_size=30))
    if draw(st.booleans()):
        return path, piece
    start = draw(st.integers(0, len(VALID)))
    return path, VALID[:start] + piece + VALID[start + draw(st.integers(0, 30)) :]


def check(status: int, headers: Any, body: bytes) -> str:
    """What every answer promises; gives `ok` or the error's code."""
    answer = orjson.loads(body)
    assert headers["x-request-id"]
    if status == 200:
        assert headers["content-type"] == "application/json"
        if "cached_rows" in answer:
            ends = [*zip(answer["low"], answer["prediction"], answer["high"], strict=True)]
        else:
            results = answer.get("predictions", [answer])
            ends = [(one["interval"]["low"], one["prediction"], one["interval"]["high"]) for one in results]
        for low, prediction, high in ends:
            assert math.isfinite(prediction)
            assert low <= prediction <= high
        return "ok"
    assert headers["content-type"] == "application/problem+json"
    assert answer.keys() >= MEMBERS
    assert answer["request_id"] == headers["x-request-id"]
    assert status == answer["status"] == CODES[answer["code"]]
    assert answer["code"] in BROKEN_INPUT, answer
    return str(answer["code"])


def in_process(door: InProcess, cases: st.SearchStrategy[tuple[str, bytes]]) -> Counter[str]:
    """Send many cases through the ASGI app; an exception that leaves it is raised here."""
    seen: Counter[str] = Counter()

    @settings(max_examples=IN_PROCESS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(cases)
    def run(case: tuple[str, bytes]) -> None:
        path, body = case
        answer: httpx.Response = door.request("POST", path, content=body)
        seen[check(answer.status_code, answer.headers, answer.content)] += 1

    run()
    return seen


def test_rows_with_a_few_things_wrong(door: InProcess) -> None:
    seen = in_process(door, ONE | MANY | TABLE)
    assert {"ok", "validation", "malformed_json"} <= seen.keys()


def test_any_json(door: InProcess) -> None:
    assert "validation" in in_process(door, ANY_JSON)


def test_any_bytes(door: InProcess) -> None:
    assert "malformed_json" in in_process(door, spoilt_bytes())


def test_over_the_wire_on_one_connection(served: Served) -> None:
    """Answers stay in step with requests: nothing that a body holds may end it early or leak into the next."""
    seen: Counter[str] = Counter()
    with Wire(served.url) as wire:

        @settings(max_examples=OVER_THE_WIRE, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(ONE | MANY | ANY_JSON | spoilt_bytes(), st.integers(0, 2**32))
        def run(case: tuple[str, bytes], number: int) -> None:
            path, body = case
            request_id = f"fuzz-{number}"
            answer = wire.ask(_request(path, body, request_id, random.Random(number)))
            assert answer.headers["x-request-id"] == request_id
            seen[check(answer.status, answer.headers, answer.body)] += 1

        run()
    assert {"ok", "validation", "malformed_json"} <= seen.keys()
    log = served.log.read_text()
    assert '"level":"ERROR"' not in log


def _request(path: str, body: bytes, request_id: str, dice: random.Random) -> bytes:
    """With a length, or in chunks."""
    lines = [f"POST {path} HTTP/1.1", "Host: test", "Content-Type: application/json", f"X-Request-ID: {request_id}"]
    if dice.random() < 0.5:
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
    parts = []
    while body:
        size = dice.randint(1, len(body))
        parts.append(b"%x\r\n%s\r\n" % (size, body[:size]))
        body = body[size:]
    return "\r\n".join([*lines, "Transfer-Encoding: chunked", "", ""]).encode() + b"".join(parts) + b"0\r\n\r\n"
