"""What every answer carries: request ids, HEAD, BentoML's routes, and a log that holds no rejected value."""

from __future__ import annotations

import logging
import re
from typing import Any

import orjson
import pytest

from tests.inprocess import InProcess, Message

SECRET = "Zq7secret9431"

Row = dict[str, Any]


@pytest.mark.parametrize("given", ["a", "A-Z_0.9", "x" * 64])
def test_a_well_formed_request_id_is_kept(house: InProcess, given: str) -> None:
    for path in ("/livez", "/nothing", "/schema.json"):
        assert house.request("GET", path, headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "a\tb", "semi;colon", "ü".encode()])
def test_an_ill_formed_request_id_is_replaced(house: InProcess, given: str | bytes) -> None:
    answer = house.request("GET", "/nothing", headers=[(b"X-Request-ID", given)])
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_request_ids_differ(house: InProcess) -> None:
    assert len({house.request("GET", "/livez").headers["x-request-id"] for _ in range(5)}) == 5


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs.json", "/docs", "/"])
def test_head_is_get_without_the_body(house: InProcess, path: str) -> None:
    get, head = house.request("GET", path), house.request("HEAD", path)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]


def test_bentomls_own_description_is_reachable(house: InProcess) -> None:
    answer = house.request("GET", "/schema.json")
    assert answer.status_code == 200
    assert {"predict", "predict_batch"} <= {route["name"] for route in answer.json()["routes"]}


def test_a_client_that_leaves_in_its_body_is_no_error(house: InProcess) -> None:
    house.log()
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"fea', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    assert house.raw(receive, "POST", "/predict", (b"content-type", b"application/json")) == []
    lines = house.log()
    assert [line["level"] for line in lines] == ["INFO"]
    assert "exc_info" not in lines[0]


REFUSED: list[dict[str, Any]] = [
    {"building_type": SECRET},
    {"area_code": SECRET},
    {"area_code": SECRET * 50},
    {"bedrooms": SECRET},
    {"bathrooms": [SECRET]},
    {"waterfront": SECRET},
    {"latitude": {SECRET: SECRET}},
    {"valuation_date": SECRET},
    {"valuation_date": f"2016-12-15T{SECRET}"},
    {SECRET: 1},
    {"unlisted": SECRET},
]


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: next(iter(change)))
def test_a_rejected_value_is_neither_answered_nor_logged(house: InProcess, row: Row, change: Row) -> None:
    house.log()
    bad = {**row, **change}
    for path, body in (("/predict", {"features": bad}), ("/predict_batch", {"rows": [row, bad]})):
        answer = house.request("POST", path, json=body)
        assert answer.status_code == 422
        named = SECRET in change  # the client's own field name is what the answer is about
        assert all(SECRET not in error["message"] + str(error["limit"]) for error in answer.json()["errors"])
        assert named or SECRET not in answer.text
    lines = house.log()
    assert len(lines) == 2
    assert SECRET not in str(lines)


@pytest.mark.parametrize(
    "body",
    [
        {"version": SECRET + "!"},
        {"version": SECRET * 10},
        {"version": SECRET},
        {"routing_key": [SECRET]},
        {"routing_key": SECRET * 30},
        {SECRET: SECRET},
        {"features": SECRET},
    ],
    ids=str,
)
def test_a_rejected_option_is_neither_answered_nor_logged(house: InProcess, row: Row, body: Row) -> None:
    house.log()
    answer = house.request("POST", "/predict", json={"features": row, **body})
    assert answer.status_code in (404, 422)
    assert SECRET in body or SECRET not in answer.text
    assert SECRET not in str(house.log())


def test_a_body_that_is_no_json_is_neither_answered_nor_logged(house: InProcess) -> None:
    house.log()
    answer = house.request("POST", "/predict", content=orjson.dumps(SECRET)[:-1])
    assert answer.status_code == 400
    assert SECRET not in answer.text + str(house.log())


def test_every_line_of_a_request_is_json_with_its_request_id(house: InProcess, row: Row) -> None:
    house.log()
    house.request("POST", "/predict", json={"features": {**row, "bedrooms": 99}}, headers={"X-Request-ID": "mine"})
    (line,) = house.log()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", line["time"])
    assert line["request_id"] == "mine"
    assert line["level"] == "INFO"
    assert line["logger"] == "serving.front_door"
    assert line["broken"] == ["bedrooms: less_than_equal"]


def test_a_line_outside_a_request_has_no_request_id(house: InProcess) -> None:
    house.log()
    logging.getLogger("serving.anything").warning("two\nlines", extra={"number": 3})
    (line,) = house.log()
    assert line["message"] == "two\nlines"
    assert line["number"] == 3
    assert "request_id" not in line
