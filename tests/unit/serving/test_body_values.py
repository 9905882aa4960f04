"""A body with more JSON values than any valid request is refused before it is parsed, and no other body is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import TooLarge
from schemas.house_prices import HouseFeatures
from schemas.outcomes import MAX_OUTCOMES
from serving import body_values
from serving.body_values import HARMLESS, check, most_values, of_features
from serving.endpoints import Endpoint
from tests.conftest import EXAMPLE
from tests.inprocess import InProcess, in_process
from tests.unit.serving.test_error_answers import check as check_problem

MOST_ROWS = 10_000
MOST = of_features(HouseFeatures, MOST_ROWS)
SIZE = 8 * 1024 * 1024 - 1024
NASTY_TEXT = 'a,b[c{"d\\,}]\u00fc\n\\'

TEXTS = st.text(st.sampled_from('",[]{}\\/ aü\n'), max_size=12)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=40,
)
HOSTILE: dict[str, bytes] = {
    "empty lists": b"[],",
    "numbers": b"1,",
    "empty objects": b"{},",
    "empty texts": b'"",',
    "texts full of escapes": b'"\\"\\\\",',
    "nested lists": b"[" * 100 + b"]" * 100 + b",",
    "nested objects": b'{"":' * 50 + b"0" + b"}" * 50 + b",",
    "rows with a thousand fields": b"{" + b",".join(b'"%d":0' % field for field in range(1_000)) + b"},",
}


def marks(document: Any) -> int:
    """Commas and opening brackets that the document is written with, which are not fewer than its values but one."""
    if not isinstance(document, list | dict):
        return 0
    inner = document if isinstance(document, list) else list(document.values())
    return 1 + max(len(inner) - 1, 0) + sum(map(marks, inner))


def values(document: Any) -> int:
    """How many values there are, the document among them."""
    if not isinstance(document, list | dict):
        return 1
    return 1 + sum(map(values, document if isinstance(document, list) else document.values()))


def full_of(piece: bytes, start: bytes = b'{"rows":[', end: bytes = b"0]}") -> bytes:
    """A body of the greatest size."""
    return start + piece * ((SIZE - len(start) - len(end)) // len(piece)) + end


@pytest.mark.parametrize("chunk", [1, 3, 64 * 1024])
@given(document=DOCUMENTS, indent=st.sampled_from([None, 2]), ascii_only=st.booleans())
def test_what_is_counted_is_exact_outside_of_strings(
    chunk: int, document: Any, indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(body_values, "_CHUNK", chunk)
        assert body_values._marks_outside_strings(body, len(body) + 1) == marks(document)
        assert marks(document) <= body_values._marks(body) == sum(map(body.count, (b",", b"[", b"{")))
    assert values(document) <= marks(document) + 1


@pytest.mark.parametrize("shape", HOSTILE)
def test_what_holds_more_than_any_valid_request_is_refused(shape: str) -> None:
    body = full_of(HOSTILE[shape])
    for spoilt in (body, body[:-1], body[9:], body + b'"', body + b"\\"):  # it need not be JSON at all
        with pytest.raises(TooLarge, match=f"more than {MOST} values"):
            check(spoilt, MOST)


def test_the_largest_requests_pass_in_either_form_and_any_layout() -> None:
    rows = [EXAMPLE] * MOST_ROWS
    options = {"version": "a" * 64, "routing_key": ",[{" * 80}
    columns = {name: [value] * MOST_ROWS for name, value in EXAMPLE.items()}
    for body in ({"rows": rows, **options}, {"columns": columns, **options}):
        check(orjson.dumps(body), MOST)
        check(orjson.dumps(body, option=orjson.OPT_INDENT_2), MOST)


def test_texts_may_hold_anything() -> None:
    rows = [{f"text_{field}": NASTY_TEXT * 8 for field in range(3)}] * 4_000
    for ascii_only in (True, False):
        body = json.dumps({"rows": rows}, ensure_ascii=ascii_only).encode()
        assert body_values._marks(body) > most_values(4_000, 3)
        check(body, most_values(4_000, 3))
    check(b'{"features":{"text":"' + b",[{" * 2_000_000 + b'"}}', HARMLESS)


def test_what_is_merely_invalid_is_left_to_those_who_name_the_fields() -> None:
    more: dict[str, Any] = {f"unknown_{number}": [] for number in range(3)}
    check(orjson.dumps({"rows": [{**EXAMPLE, **more}] * (MOST_ROWS + 1)}), MOST)
    check(orjson.dumps({"rows": [EXAMPLE] * (MOST_ROWS + MOST_ROWS // 10)}), MOST)
    check(orjson.dumps({"rows": [{"features": EXAMPLE}] * MOST_ROWS}), MOST)


def test_the_limit_is_exact() -> None:
    at_most = b"[" + b"0," * (HARMLESS - 2) + b"0]"
    assert values(json.loads(at_most)) == HARMLESS
    check(at_most, HARMLESS)
    with pytest.raises(TooLarge):
        check(at_most[:-1] + b",0]", HARMLESS)


@pytest.mark.parametrize("path", ["/predict", "/predict_batch", "/predict_columns", "/outcomes"])
@pytest.mark.parametrize("shape", ["empty lists", "nested objects"])
def test_every_endpoint_refuses_it_and_counts_it(house: InProcess, path: str, shape: str) -> None:
    def refused() -> float:
        lines = house.request("GET", "/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if "requests_total{" in line and _is_of(line, path))

    before = refused()
    problem = check_problem(house.request("POST", path, content=full_of(HOSTILE[shape])), "too_large")
    assert "values" in problem["detail"]
    assert refused() == before + 1


def _is_of(line: str, path: str) -> bool:
    return f'"{path}"' in line and '"too_large"' in line


def test_operators_need_not_be_trusted_either(home: Path) -> None:
    body, token = full_of(b"[],", start=b'{"shadows":['), "the-admin-token-of-this-test"
    with in_process(wait=False, PLUMBLINE_ADMIN_TOKEN=token) as house:
        for method, path in (("PUT", "/rollout"), ("POST", "/rollout/rollback")):
            answer = house.request(method, path, content=body, headers={"Authorization": f"Bearer {token}"})
            check_problem(answer, "too_large")


def test_a_large_request_that_breaks_the_schema_still_hears_where(house: InProcess) -> None:
    rows = [EXAMPLE] * 9_000 + [{**EXAMPLE, "bedrooms": 21, "unknown": 1}] + [EXAMPLE] * 999
    problem = check_problem(house.request("POST", "/predict_batch", json={"rows": rows}), "validation")
    assert [(one["row"], one["field"]) for one in problem["errors"]] == [(9_000, "bedrooms"), (9_000, "unknown")]
    many = check_problem(house.request("POST", "/predict_batch", json={"rows": [EXAMPLE] * 10_001}), "validation")
    assert (many["errors"][0]["field"], many["errors"][0]["limit"]) == ("rows", 10_000)
    reports = [{"prediction_id": "x", "actual": 1.0}] * (MAX_OUTCOMES + 1)
    many = check_problem(house.request("POST", "/outcomes", json={"outcomes": reports}), "validation")
    assert (many["errors"][0]["field"], many["errors"][0]["limit"]) == ("outcomes", MAX_OUTCOMES)


def test_a_compressed_body_is_told_so_and_not_that_it_holds_too_much(house: InProcess) -> None:
    body, headers = full_of(b"[],"), {"content-encoding": "gzip", "content-type": "application/json"}
    answer = house.request("POST", "/predict", content=body, headers=headers)
    check_problem(answer, "unsupported_media_type")


def test_an_endpoint_that_says_nothing_takes_only_what_is_harmless() -> None:
    assert Endpoint.most_values == HARMLESS
