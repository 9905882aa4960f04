"""Every error that a client can meet has one shape, whatever its origin."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from registry.bundle import ModelVersion
from schemas.errors import PlumblineError, all_errors
from serving.runner import Runner
from tests.inprocess import InProcess, Message, in_process

BY_CODE: dict[str, type[PlumblineError]] = {cls.code: cls for cls in all_errors()}

Row = dict[str, Any]


def check(answer: httpx.Response, code: str) -> dict[str, Any]:
    """The problem in an answer, once its shape is right."""
    problem: dict[str, Any] = answer.json()
    error = BY_CODE[code]
    assert problem["code"] == code
    assert answer.status_code == problem["status"] == error.status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == problem["request_id"] != ""
    assert answer.headers["content-length"] == str(len(answer.content))
    assert problem["type"] == f"urn:plumbline:problem:{code}"
    assert problem["title"] == error.title
    assert problem["detail"]
    assert problem.keys() <= {*("type", "title", "status", "detail", "code", "request_id", "errors", "live_versions")}
    return problem


@pytest.mark.parametrize("body", [b"", b"{", b'{"features": nope}', b"\xff\xfe", b'"\\ud800"', b"[" * 5000])
def test_a_body_that_is_no_json_is_400(house: InProcess, body: bytes) -> None:
    check(house.request("POST", "/predict", content=body), "malformed_json")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/nothing", "/predict/more", "/livez/x", "/static_content/nothing", "/%00"])
def test_an_unknown_path_is_404(house: InProcess, method: str, path: str) -> None:
    check(house.request(method, path), "not_found")


def test_an_unknown_version_is_404_and_lists_the_live_ones(house: InProcess, row: Row, published: str) -> None:
    for path, part in (("/predict", {"features": row}), ("/predict_batch", {"rows": [row]})):
        problem = check(house.request("POST", path, json={**part, "version": "20000101-0"}), "unknown_version")
        assert problem["live_versions"] == [published]
        assert published in problem["detail"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_wrong_method_is_405_and_says_which_is_right(house: InProcess, method: str) -> None:
    answer = house.request(method, "/predict")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    if method != "HEAD":
        check(answer, "method_not_allowed")


def test_bentomls_own_405_keeps_its_allow_header(house: InProcess) -> None:
    answer = house.request("POST", "/schema.json")
    check(answer, "method_not_allowed")
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; a=b"])
def test_another_media_type_is_415(house: InProcess, row: Row, media_type: str) -> None:
    content = orjson.dumps({"features": row})
    answer = house.request("POST", "/predict", content=content, headers={"content-type": media_type})
    check(answer, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8", ""])
def test_json_by_any_of_its_names_is_taken(house: InProcess, row: Row, media_type: str) -> None:
    headers = {"content-type": media_type} if media_type else {}
    answer = house.request("POST", "/predict", content=orjson.dumps({"features": row}), headers=headers)
    assert answer.status_code == 200


def test_a_broken_rule_is_422(house: InProcess, row: Row) -> None:
    problem = check(house.request("POST", "/predict", json={"features": {**row, "bedrooms": 21}}), "validation")
    assert problem["errors"] == [
        {"field": "bedrooms", "rule": "less_than_equal", "message": problem["errors"][0]["message"], "limit": 20}
    ]


@pytest.mark.parametrize(("method", "code"), [("transform", "preprocessing"), ("predict", "inference")])
def test_a_model_that_raises_is_500_and_only_the_log_says_why(
    house: InProcess, row: Row, monkeypatch: pytest.MonkeyPatch, method: str, code: str
) -> None:
    house.log()
    monkeypatch.setattr(ModelVersion, method, _raising(ZeroDivisionError("the-cause")))
    answer = house.request("POST", "/predict", json={"features": row})
    problem = check(answer, code)
    assert "the-cause" not in answer.text
    (line,) = [line for line in house.log() if line["level"] == "ERROR" and line.get("code") == code]
    assert "ZeroDivisionError: the-cause" in line["exc_info"]
    assert line["request_id"] == problem["request_id"]


@pytest.mark.parametrize(("method", "code"), [("transform", "preprocessing"), ("predict", "inference")])
def test_of_many_rows_the_guilty_one_is_named(
    house: InProcess, row: Row, monkeypatch: pytest.MonkeyPatch, method: str, code: str
) -> None:
    house.log()
    monkeypatch.setattr(ModelVersion, method, _raising_for_one(getattr(ModelVersion, method)))
    rows = [{**row, "living_area_sqft": 9_999 if number == 170 else 1_000 + number} for number in range(300)]
    problem = check(house.request("POST", "/predict_batch", json={"rows": rows}), code)
    (listed,) = problem["errors"]
    assert listed | {"message": ""} == {"row": 170, "field": "", "rule": code, "message": "", "limit": None}
    (line,) = [line for line in house.log() if line["level"] == "ERROR"]
    assert line["broken"] == [f"rows.170: {code}"]
    assert "ZeroDivisionError: the-cause" in line["exc_info"]
    for path, part in (("/predict", {"features": rows[170]}), ("/predict_batch", {"rows": [rows[170]]})):
        assert "errors" not in check(house.request("POST", path, json=part), code)
    del rows[170]
    assert house.request("POST", "/predict_batch", json={"rows": rows}).status_code == 200


def test_an_unexpected_exception_is_500_and_only_the_log_says_why(
    house: InProcess, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.log()
    monkeypatch.setattr(Runner, "submit", _raising(KeyError("the-cause")))
    answer = house.request("POST", "/predict", json={"features": row})
    problem = check(answer, "internal")
    assert "the-cause" not in answer.text
    (line,) = [line for line in house.log() if line["level"] == "ERROR"]
    assert "the-cause" in line["exc_info"]
    assert line["request_id"] == problem["request_id"]


def test_the_service_goes_on_after_errors(house: InProcess, row: Row) -> None:
    assert house.request("POST", "/predict", json={"features": row}).status_code == 200


def test_without_a_version_it_is_503_that_names_the_remedy(home: object, row: Row, tmp_path: Path) -> None:
    no_plan = str(tmp_path / "rollout.json")
    with in_process(wait=False, PLUMBLINE_MODEL_VERSION="20000101-0", PLUMBLINE_ROLLOUT_PLAN=no_plan) as empty:
        for method, path in (("POST", "/predict"), ("GET", "/readyz"), ("GET", "/startupz")):
            options = {"json": {"features": row}} if method == "POST" else {}
            answer = empty.request(method, path, **options)
            assert "python -m training" in check(answer, "not_ready")["detail"]
            assert int(answer.headers["retry-after"]) > 0
        assert empty.request("GET", "/livez").status_code == 200


def test_a_slow_body_is_408_and_a_slow_answer_504(home: object, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: dict[str, Any] = {"PLUMBLINE_BODY_TIMEOUT_SECONDS": "0.05", "PLUMBLINE_REQUEST_TIMEOUT_SECONDS": "0.2"}
    with in_process(PLUMBLINE_CACHE_URL="off", **limits) as quick:

        async def never() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        sent = quick.raw(never, "POST", "/predict", (b"content-type", b"application/json"))
        slow = _response(sent)
        check(slow, "slow_body")
        assert slow.headers["connection"] == "close"

        release = _blocked(monkeypatch)
        try:
            check(quick.request("POST", "/predict", json={"features": row}), "timeout")
        finally:
            release()
        assert quick.request("GET", "/livez").status_code == 200


def test_too_many_bytes_are_413_announced_or_streamed(home: object, row: Row) -> None:
    with in_process(PLUMBLINE_MAX_BODY_BYTES="2048", PLUMBLINE_MAX_REQUEST_ROWS="2") as small:

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(5):
                yield b" " * 512

        async def untouched() -> Message:
            raise AssertionError("a body that is announced as too large must not be read")

        announced = _response(small.raw(untouched, "POST", "/predict", (b"content-length", b"2049")))
        streamed = small.request("POST", "/predict", content=parts())
        for answer in (announced, streamed):
            check(answer, "too_large")
            assert answer.headers["connection"] == "close"
        body = orjson.dumps({"features": row})
        exact = small.request("POST", "/predict", content=body + b" " * (2048 - len(body)))
        assert exact.status_code == 200
        assert small.request("POST", "/predict_batch", json={"rows": [row] * 2}).status_code == 200
        problem = check(small.request("POST", "/predict_batch", json={"rows": [row] * 3}), "validation")
        assert problem["errors"][0] | {"message": ""} == {
            "field": "rows",
            "rule": "too_long",
            "message": "",
            "limit": 2,
        }


def _raising(error: Exception) -> Callable[..., Any]:
    def raises(*_: Any, **__: Any) -> Any:
        raise error

    return raises


def _raising_for_one(real: Callable[..., Any]) -> Callable[..., Any]:
    """The real method, but for matrices that hold an area of 9,999, which both raw and computed features have."""

    def raises(self: ModelVersion, rows: Any) -> Any:
        if (rows == 9_999).any():
            raise ZeroDivisionError("the-cause")
        return real(self, rows)

    return raises


def _blocked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the model's thread wait until the returned function is called."""
    released, real = threading.Event(), ModelVersion.predict

    def waits(self: ModelVersion, inputs: Any) -> Any:
        released.wait(30)
        return real(self, inputs)

    monkeypatch.setattr(ModelVersion, "predict", waits)
    return released.set


def _response(sent: list[Message]) -> httpx.Response:
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=body)
