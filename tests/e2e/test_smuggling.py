"""Requests that a proxy before the service could read as more or fewer than the service does.

Whatever is ambiguous gets one 400 and the end of the connection; nothing in it is ever taken for a second request. Each
is sent on a fresh connection and on one that has carried a request on the short way, with a body that would go there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conftest import EXAMPLE
from tests.e2e.test_limits import check
from tests.served import Served, serve
from tests.wire import Wire, head, post

TOKEN = "a-token-of-enough-length"
VALID = orjson.dumps({"features": EXAMPLE})
LENGTH = b"Content-Length: %d" % len(VALID)
CHUNKED = b"Transfer-Encoding: chunked"
INNER = b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n"
START = b"POST /predict HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def served(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One worker with short patience."""
    limits: dict[str, Any] = {
        "PLUMBLINE_BODY_TIMEOUT_SECONDS": "1",
        "PLUMBLINE_CACHE_URL": "off",
        "PLUMBLINE_ADMIN_TOKEN": TOKEN,
    }
    with serve(home, tmp_path_factory.mktemp("smuggling"), **limits) as running:
        yield running
        assert "Traceback" not in running.log.read_text()


def with_headers(*lines: bytes, body: bytes = VALID) -> bytes:
    """A POST with these headers, then a body, then what might be taken for a request."""
    return START + b"".join(b"%s\r\n" % line for line in lines) + b"\r\n" + body + INNER


def in_chunks(body: bytes) -> bytes:
    """A chunked POST with this text after its head."""
    return with_headers(CHUNKED, body=body)


def chunk(size: bytes) -> bytes:
    """A chunked POST with its one chunk's size in this spelling."""
    return in_chunks(size + b"\r\n" + VALID + b"\r\n0\r\n\r\n")


WHOLE = b"%x\r\n%b\r\n0\r\n" % (len(VALID), VALID)
SIZE = b"%x" % len(VALID)

AMBIGUOUS: dict[str, bytes] = {
    "CL.TE": with_headers(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"),
    "TE.CL": with_headers(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"),
    "CL.TE beside an upgrade": with_headers(
        b"Connection: upgrade", b"Upgrade: h2c", b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"
    ),
    "CL and TE: identity": with_headers(LENGTH, b"Transfer-Encoding: identity"),
    "two equal lengths": with_headers(LENGTH, LENGTH),
    "two lengths": with_headers(LENGTH, b"Content-Length: 0"),
    "two lengths beside an upgrade": with_headers(
        b"Connection: upgrade", b"Upgrade: h2c", LENGTH, b"Content-Length: 0"
    ),
    "a list of lengths": with_headers(LENGTH + b", %d" % len(VALID)),
    "a length with a sign": with_headers(b"Content-Length: +%d" % len(VALID)),
    "a length in base 16": with_headers(b"Content-Length: 0x%x" % len(VALID)),
    "a length with a space": with_headers(b"Content-Length: 1 1"),
    "an empty length": with_headers(b"Content-Length:"),
    "a length after a vertical tab": with_headers(b"Content-Length:\x0b%d" % len(VALID)),
    "a length in the trailers": in_chunks(WHOLE + b"Content-Length: 5\r\n\r\n"),
    "a space before the colon": with_headers(b"Content-Length : %d" % len(VALID)),
    "a tab before the colon": with_headers(b"Transfer-Encoding\t: chunked", body=WHOLE + b"\r\n"),
    "a folded encoding": with_headers(b"Transfer-Encoding:\r\n chunked", body=WHOLE + b"\r\n"),
    "a folded length": with_headers(b"Content-Length: 1\r\n 0"),
    "a header that begins with a space": with_headers(b" " + LENGTH),
    "a bare LF after a header": START + LENGTH + b"\n\r\n" + VALID + INNER,
    "a bare LF at the head's end": START + LENGTH + b"\r\n\n" + VALID + INNER,
    "bare LFs everywhere": (START + LENGTH + b"\r\n\r\n").replace(b"\r\n", b"\n") + VALID + INNER,
    "a bare CR": with_headers(b"X: a\rTransfer-Encoding: chunked", LENGTH),
    "a null in a name": with_headers(b"X\x00: a", LENGTH),
    "a name without a colon": with_headers(b"X", LENGTH),
    "an empty name": with_headers(b": a", LENGTH),
    "an unknown encoding": with_headers(b"Transfer-Encoding: xchunked", body=WHOLE + b"\r\n"),
    "chunked is not the last": with_headers(b"Transfer-Encoding: chunked, identity", body=WHOLE + b"\r\n"),
    "chunked twice": with_headers(CHUNKED, CHUNKED, body=WHOLE + b"\r\n"),
    "chunked, then a cow": with_headers(CHUNKED, b"Transfer-Encoding: cow", body=WHOLE + b"\r\n"),
    "chunked in quotes": with_headers(b'Transfer-Encoding: "chunked"', body=WHOLE + b"\r\n"),
    "chunked after a vertical tab": with_headers(b"Transfer-Encoding: \x0bchunked", body=WHOLE + b"\r\n"),
    "chunked in HTTP/1.0": in_chunks(WHOLE + b"\r\n").replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "a chunk's size with a sign": chunk(b"+" + SIZE),
    "a negative chunk": chunk(b"-" + SIZE),
    "a chunk's size with 0x": chunk(b"0x" + SIZE),
    "a chunk's size with a space": chunk(SIZE + b" "),
    "a chunk's size that overflows": chunk(b"1000000000000000" + SIZE),
    "a chunk's size and a bare LF": in_chunks(SIZE + b"\n" + VALID + b"\r\n0\r\n\r\n"),
    "a bare LF in a chunk's extension": chunk(SIZE + b";a\nb"),
    "a chunk that is too long": in_chunks(SIZE + b"\r\n" + VALID + b"XX0\r\n\r\n"),
    "no Host": with_headers(LENGTH).replace(b"Host: test\r\n", b"", 1),
    "two Hosts": with_headers(b"Host: other", LENGTH),
    "HTTP/2.0": with_headers(LENGTH).replace(b"HTTP/1.1", b"HTTP/2.0", 1),
    "HTTP/1.2": with_headers(LENGTH).replace(b"HTTP/1.1", b"HTTP/1.2", 1),
    "HTTP/0.9": b"GET /livez\r\n\r\n" + INNER,
}


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_is_ambiguous_is_refused_once_and_ends_the_connection(served: Served, name: str, used: bool) -> None:
    with Wire(served.url) as wire:
        if used:
            assert wire.ask(post("/predict", VALID)).status == 200
        check(wire.ask(AMBIGUOUS[name]), "bad_request")
        assert wire.ends()
    with Wire(served.url) as wire:
        assert wire.ask(post("/predict", VALID)).status == 200


PLAIN: dict[str, bytes] = {
    "zeros before a length": START + b"Content-Length: 00%d\r\n\r\n" % len(VALID) + VALID,
    "a tab after a length": START + LENGTH + b"\t\r\n\r\n" + VALID,
    "an extension of a chunk": START + CHUNKED + b"\r\n\r\n" + SIZE + b";a=b\r\n" + VALID + b"\r\n0\r\n\r\n",
    "a trailer": START + CHUNKED + b"\r\n\r\n" + WHOLE + b"X: a\r\n\r\n",
    "a whole address": post("http://elsewhere/predict", VALID),
    "empty lines before it": b"\r\n\r\n" + post("/predict", VALID),
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_only_looks_odd_is_one_request(served: Served, name: str) -> None:
    with Wire(served.url) as wire:
        for _ in range(2):
            assert wire.ask(PLAIN[name]).json()["model"] == "house_prices"
        assert wire.ask(INNER).json() == {"status": "alive"}


def test_a_trailer_is_no_header(served: Served) -> None:
    """A proxy that takes a token out of the headers need not look among the trailers."""
    change = b"PUT /rollout HTTP/1.1\r\nHost: test\r\n" + CHUNKED + b"\r\n\r\n2\r\n{}\r\n0\r\n"
    untyped = b"POST /predict HTTP/1.1\r\nHost: test\r\n" + CHUNKED + b"\r\n\r\n" + WHOLE
    with Wire(served.url) as wire:
        check(wire.ask(change + b"Authorization: Bearer %b\r\n\r\n" % TOKEN.encode()), "unauthorised")
        for _ in range(2):
            assert wire.ask(untyped + b"Content-Type: text/plain\r\n\r\n").status == 200


@pytest.mark.parametrize("path", ["/predict", "/nothing"])
def test_trailers_are_bounded(served: Served, path: str) -> None:
    begun = START.replace(b"/predict", path.encode()) + CHUNKED + b"\r\n\r\n" + WHOLE
    with Wire(served.url) as wire:
        if path == "/nothing":
            check(wire.ask(begun), "not_found")
        else:
            wire.send(begun)
        for _ in range(100):
            wire.send(b"X: " + b"a" * 20_000)
        if path == "/predict":
            check(wire.answer(), "head_too_large")
        assert wire.ends()


def test_what_was_answered_before_its_body_is_not_answered_again(served: Served) -> None:
    """A proxy would give a second answer to whoever sends next on this connection."""
    begun = START.replace(b"/predict", b"/nothing") + CHUNKED + b"\r\n\r\n"
    with Wire(served.url) as wire:
        check(wire.ask(begun), "not_found")
        wire.send(b"no size\r\n")
        assert wire.ends()


SILENT: dict[str, tuple[bytes, bytes]] = {
    "the rest of a body": (head("/nothing", 1_000), b"{"),
    "the rest of a GET's body": (b"GET /livez HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\n", b""),
    "more than the rest of a body": (head("/nothing", 1), b"{"),
    "an empty line": (post("/predict", VALID), b"\r\n"),
}


@pytest.mark.parametrize("name", SILENT)
def test_who_falls_silent_after_its_answer_is_let_go(served: Served, name: str) -> None:
    first, then = SILENT[name]
    with Wire(served.url) as wire:
        assert wire.ask(first).status in (200, 404)
        wire.send(then)
        assert wire.ends()


def test_a_connection_goes_on_after_the_rest_of_a_body(served: Served) -> None:
    with Wire(served.url) as wire:
        check(wire.ask(head("/nothing", 10)), "not_found")
        wire.send(b"0123456789")
        assert wire.ask(post("/predict", VALID)).status == 200
