"""What a hostile, broken or slow client meets on a really served process."""

from __future__ import annotations

import gzip
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from schemas.errors import all_errors
from tests.conftest import EXAMPLE
from tests.served import Served, serve
from tests.wire import Answer, Wire, head, post

CODES = {error.code: error.status for error in all_errors()}
VALID = orjson.dumps({"features": EXAMPLE})
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(VALID), VALID)
HEAD = b"POST /predict HTTP/1.1\r\nHost: test\r\n"
IDLE = 2_000


@pytest.fixture(scope="module")
def limited(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with short patience, and nothing but expected errors in its log at the end."""
    limits: dict[str, Any] = {"PLUMBLINE_BODY_TIMEOUT_SECONDS": "1", "PLUMBLINE_CACHE_URL": "off"}
    with serve(home, tmp_path_factory.mktemp("limited"), **limits) as running:
        yield running
        log = running.log.read_text()
        assert "Traceback" not in log, log[-5000:]
        assert '"level":"ERROR"' not in log, log[-5000:]


def with_area(value: bytes) -> bytes:
    """A valid body but for the text of one number."""
    return VALID.replace(b"1680", value)


def get(path: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    """A request without a body."""
    return b"\r\n".join([b"%s %s HTTP/1.1" % (method, path), b"Host: test", *headers, b"", b""])


def check(answer: Answer, code: str) -> None:
    """The one error shape."""
    problem = answer.json()
    assert problem["code"] == code
    assert answer.status == problem["status"] == CODES[code]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == problem["request_id"] != ""
    assert {"type", "title", "status", "detail", "code", "request_id"} <= problem.keys()


REFUSED: dict[str, tuple[bytes, str]] = {
    "nested arrays": (post("/predict", b'{"features":' + b"[" * 5_000 + b"]" * 5_000 + b"}"), "malformed_json"),
    "nested objects": (post("/predict", b'{"features":' * 5_000 + b"1" + b"}" * 5_000), "malformed_json"),
    "arrays nested to no end": (post("/predict", b"[" * 100_000), "too_large"),
    "objects nested to no end": (post("/predict", b'{"features":' * 100_000), "too_large"),
    "nested rows": (post("/predict_batch", b'{"rows":' + b"[" * 150 + b"]" * 150 + b"}"), "validation"),
    "1e400": (post("/predict", with_area(b"1e400")), "validation"),
    "400 digits": (post("/predict", with_area(b"9" * 400)), "validation"),
    "-400 digits": (post("/predict", with_area(b"-" + b"9" * 400)), "validation"),
    "5000 digits": (post("/predict", with_area(b"9" * 5_000)), "malformed_json"),
    "NaN": (post("/predict", with_area(b"NaN")), "validation"),
    "a giant string": (post("/predict", with_area(b'"' + b"x" * 1_000_000 + b'"')), "validation"),
    "a giant name": (post("/predict", VALID.replace(b"bedrooms", b"x" * 1_000_000)), "validation"),
    "a lone surrogate": (post("/predict", with_area(b'"\\ud800"')), "malformed_json"),
    "invalid UTF-8": (post("/predict", with_area(b'"\xff\xfe"')), "malformed_json"),
    "a byte order mark": (post("/predict", b"\xef\xbb\xbf" + VALID), "malformed_json"),
    "UTF-16": (post("/predict", VALID.decode().encode("utf-16")), "malformed_json"),
    "gzip": (post("/predict", gzip.compress(VALID), b"Content-Encoding: gzip"), "unsupported_media_type"),
    "no body": (get(b"/predict", method=b"POST"), "malformed_json"),
    "9 MB announced": (head("/predict", 9_000_000), "too_large"),
    "9 MB in chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n900000\r\n" + b" " * 0x900000, "too_large"),
    "8 MB of empty lists": (post("/predict_batch", b'{"rows":[' + b"[]," * 2_700_000 + b"[]]}"), "too_large"),
    "two lengths": (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED, "bad_request"),
    "two unequal lengths": (post("/predict", VALID, b"Content-Length: 3"), "bad_request"),
    "a negative length": (HEAD + b"Content-Length: -3\r\n\r\n", "bad_request"),
    "an overflowing length": (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", "bad_request"),
    "a broken chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + VALID, "bad_request"),
    "an unknown encoding": (HEAD + b"Transfer-Encoding: gzip\r\n\r\n" + VALID, "bad_request"),
    "an unknown method": (get(b"/predict", method=b"BREW"), "bad_request"),
    "a known but senseless method": (get(b"/predict", method=b"PURGE"), "method_not_allowed"),
    "TRACE": (get(b"/predict", method=b"TRACE"), "method_not_allowed"),
    "CONNECT": (get(b"elsewhere:443", method=b"CONNECT"), "bad_request"),
    "OPTIONS *": (get(b"*", method=b"OPTIONS"), "not_found"),
    "a null byte": (get(b"/%00"), "not_found"),
    "dots": (get(b"/static_content/../../etc/passwd"), "not_found"),
    "hidden dots": (get(b"/static_content/%2e%2e/%2e%2e/etc/passwd"), "not_found"),
    "a long path": (get(b"/" + b"a" * 30_000), "not_found"),
    "a path of 100 kB": (get(b"/" + b"a" * 100_000), "head_too_large"),
    "bytes in a path": (get(b"/\xff"), "bad_request"),
    "no slash": (get(b"predict"), "bad_request"),
    "a header of 70 kB": (get(b"/livez", b"X: " + b"a" * 70_000), "head_too_large"),
    "a header of 5 MB": (get(b"/livez", b"X: " + b"a" * 5_000_000), "head_too_large"),
    "100,000 headers": (get(b"/livez", *[b"a: b"] * 100_000), "head_too_large"),
    "a null in a header": (get(b"/livez", b"X: a\x00b"), "bad_request"),
    "a folded header": (get(b"/livez", b"X: a\r\n b"), "bad_request"),
    "TLS": (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", "bad_request"),
    "a websocket": (
        get(b"/predict", b"Connection: upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
        "method_not_allowed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_the_one_shape_and_the_service_goes_on(limited: Served, name: str) -> None:
    data, code = REFUSED[name]
    with Wire(limited.url) as wire:
        check(wire.ask(data), code)
    with Wire(limited.url) as wire:
        assert wire.ask(post("/predict", VALID)).status == 200


ANSWERED: dict[str, bytes] = {
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED,
    "a query": post("/predict?version=none&x", VALID),
    "a header of 60 kB": post("/predict", VALID, b"X: " + b"a" * 60_000),
    "Content-Encoding: identity": post("/predict", VALID, b"Content-Encoding: identity"),
    "HTTP/2 offered, as Java does": post("/predict", VALID, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"),
    "HTTP/2 offered, chunked": HEAD
    + b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
    + CHUNKED,
}


@pytest.mark.parametrize("name", ANSWERED)
def test_it_is_answered_and_the_connection_stays(limited: Served, name: str) -> None:
    with Wire(limited.url) as wire:
        for _ in range(2):
            answer = wire.ask(ANSWERED[name])
            assert (answer.status, answer.json()["model"]) == (200, "house_prices")


@pytest.mark.parametrize("cut", [1_000, 50_000, 65_000])
def test_a_path_that_is_too_long_is_refused_alike_in_pieces(limited: Served, cut: int) -> None:
    whole = get(b"/" + b"a" * 100_000)
    with Wire(limited.url) as wire, Wire(limited.url) as other:
        wire.send(whole[:cut])
        assert other.ask(post("/predict", VALID)).status == 200  # by now the first piece has been read
        check(wire.ask(whole[cut:]), "head_too_large")


def test_http_1_0_is_answered_and_closed(limited: Served) -> None:
    with Wire(limited.url) as wire:
        assert wire.ask(post("/predict", VALID, version=b"1.0")).status == 200
        assert wire.ends()


def test_a_client_that_waits_for_100_continue_gets_it(limited: Served) -> None:
    with Wire(limited.url) as wire:
        assert wire.ask(head("/predict", len(VALID), b"Expect: 100-continue")).status == 100
        assert wire.ask(VALID).status == 200


def test_a_too_large_body_is_refused_before_100_continue(limited: Served) -> None:
    with Wire(limited.url) as wire:
        check(wire.ask(head("/predict", 9_000_000, b"Expect: 100-continue")), "too_large")
        assert wire.ends()


def test_pipelined_requests_are_answered_in_order(limited: Served) -> None:
    bodies = [orjson.dumps({"features": {**EXAMPLE, "living_area_sqft": 1_000 + 100 * n}}) for n in range(20)]
    with Wire(limited.url) as alone:
        expected = [alone.ask(post("/predict", body)).json()["prediction"] for body in bodies]
    with Wire(limited.url) as wire:
        wire.send(b"".join(post("/predict", body) for body in bodies))
        assert [wire.answer().json()["prediction"] for _ in bodies] == expected


def test_a_whole_request_before_rubbish_is_answered(limited: Served) -> None:
    with Wire(limited.url) as wire:
        assert wire.ask(post("/predict", VALID) + b"\x00rubbish\r\n\r\n").status == 200
        assert wire.ends()


def test_a_body_on_a_get_is_no_second_request(limited: Served) -> None:
    with Wire(limited.url) as wire:
        wire.send(get(b"/livez", b"Content-Length: 10") + b"GET /docs " + get(b"/nothing"))
        assert wire.answer().json() == {"status": "alive"}
        check(wire.answer(), "not_found")


@pytest.mark.parametrize("sent", [b"", b"POST /pre", HEAD, head("/predict", 1_000) + b"{"])
def test_a_client_that_leaves_early_harms_nobody(limited: Served, sent: bytes) -> None:
    for _ in range(20):
        with Wire(limited.url) as wire:
            wire.send(sent)
    with Wire(limited.url) as wire:
        assert wire.ask(post("/predict", VALID)).status == 200


def test_a_slow_body_is_408(limited: Served) -> None:
    with Wire(limited.url) as wire:
        check(wire.ask(post("/predict", VALID)[:-1]), "slow_body")
        assert wire.ends()


@pytest.mark.parametrize("begun", [b"", b"P", HEAD, post("/predict", VALID) + b"POST /predict HTTP/1.1\r\nX:"])
def test_a_slow_head_is_cut_off(limited: Served, begun: bytes) -> None:
    with Wire(limited.url) as wire:
        wire.send(begun)
        if VALID in begun:
            assert wire.answer().status == 200
        assert wire.ends()


def test_a_client_that_does_not_read_is_cut_off(limited: Served) -> None:
    rows = orjson.dumps({"rows": [EXAMPLE] * 10_000})
    with Wire(limited.url) as wire:
        for _ in range(4):  # more than the kernel's buffers hold
            wire.send(post("/predict_batch", rows))
        wire.ends_unread()


def test_thousands_of_idle_connections_stop_nobody(home: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle: list[Wire] = []
    try:
        with serve(home, tmp_path) as served:
            for number in range(IDLE):
                idle.append(Wire(served.url))
                idle[-1].send(b"POST /predict HTTP/1.1\r\nX:" if number % 2 else b"")
            for _ in range(50):
                with Wire(served.url) as wire:
                    assert wire.ask(post("/predict", VALID)).status == 200
    finally:
        for wire in idle:
            wire.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_full_queue_and_a_passed_deadline(home: Path, tmp_path: Path) -> None:
    limits: dict[str, Any] = {
        "PLUMBLINE_MAX_WAITING_ROWS": "1",
        "PLUMBLINE_MAX_BATCH_ROWS": "1",
        "PLUMBLINE_REQUEST_TIMEOUT_SECONDS": "0.2",
        "PLUMBLINE_CACHE_URL": "off",
    }
    rows = [{**EXAMPLE, "living_area_sqft": 1_000 + number} for number in range(1_500)]
    with serve(home, tmp_path, **limits) as served, Wire(served.url) as long:
        late = long.ask(post("/predict_batch", orjson.dumps({"rows": rows})))  # one row at a time
        check(late, "timeout")
        wires = [Wire(served.url) for _ in range(64)]
        for wire in wires:
            wire.send(post("/predict", VALID))
        answers = [wire.answer() for wire in wires]
        refused = [answer for answer in answers if answer.status != 200]
        assert refused
        for answer in refused:
            check(answer, "overloaded")
            assert int(answer.headers["retry-after"]) > 0
        for wire in wires:
            wire.close()
        with Wire(served.url) as wire:
            assert wire.ask(post("/predict", VALID)).status == 200


def test_a_scan_of_paths_leaves_no_trace_in_the_metrics(limited: Served) -> None:
    prefixes = ("", "/predict", "/livez", "/static_content", "/metrics", "/schema.json", "/models")

    def series() -> set[str]:
        lines = httpx.get(f"{limited.url}/metrics").text.splitlines()
        return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

    with limited.client() as client:
        client.get("/schema.json")
        before = series()
        for number in range(3_000):
            assert client.get(f"{prefixes[number % len(prefixes)]}/scan-{number}").status_code == 404
    assert len(series()) <= len(before) + 20
    assert "scan-" not in json.dumps(sorted(series()))


def test_every_page_of_the_platform_that_we_use_is_still_there(limited: Served) -> None:
    with limited.client() as client:
        page = client.get("/docs").text
        for part in ("static_content/swagger-ui.css", "static_content/swagger-ui-bundle.js"):
            assert part in page
            assert client.get(f"/{part}").status_code == 200
        found: dict[str, Any] = client.get("/schema.json").json()
    assert found["routes"]
