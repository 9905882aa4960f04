"""API keys on a really served process: the short way and the long way let the same clients in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import orjson
import pytest

from tests.conftest import EXAMPLE
from tests.e2e.test_short_way import LONG, lasting
from tests.served import Served, serve
from tests.wire import Wire, post

KEY, TOKEN = "an-api-key-of-enough-length", "an-admin-token-of-enough-length"
BODY = orjson.dumps({"features": EXAMPLE})


@pytest.fixture(scope="module")
def served(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with a key in a file, without a cache."""
    folder = tmp_path_factory.mktemp("access")
    (folder / "keys").write_text(f"another-key-of-enough-length,{KEY}\n")
    settings: dict[str, Any] = {
        "PLUMBLINE_API_KEYS_FILE": str(folder / "keys"),
        "PLUMBLINE_CORS_ORIGINS": "https://app.example.org",
    }
    with serve(home, folder, PLUMBLINE_CACHE_URL="off", PLUMBLINE_ADMIN_TOKEN=TOKEN, **settings) as running:
        yield running
        assert KEY not in running.log.read_text()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 401),
        ((b"Authorization: Bearer wrong",), 401),
        ((b"Authorization: Bearer %b" % TOKEN.encode(),), 401),
        ((b"Authorization: Bearer %b" % KEY.encode(),), 200),
        ((b"Authorization: Bearer %b" % KEY.encode(), b"Origin: https://app.example.org"), 200),
    ],
)
def test_both_ways_let_the_same_in(served: Served, headers: tuple[bytes, ...], status: int) -> None:
    with Wire(served.url) as short, Wire(served.url) as long:
        for _ in range(3):
            first = short.ask(post("/predict", BODY, b"X-Request-ID: same", *headers))
            second = long.ask(post("/predict", BODY, b"X-Request-ID: same", *LONG, *headers))
            assert first.status == status
            assert lasting(first) == lasting(second)
            assert ("access-control-allow-origin" in first.headers) == (len(headers) == 2)


def test_bentomls_client_sends_the_key_as_its_token(served: Served) -> None:
    with bentoml.SyncHTTPClient(served.url, token=KEY) as client:
        assert client.predict(features=EXAMPLE)["prediction"] > 0
