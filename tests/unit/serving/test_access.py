"""Who may ask for what: API keys, the closed inside, and other sites' pages."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.access import Access
from serving.settings import Settings
from serving.short_way import ShortWay
from tests.conftest import EXAMPLE
from tests.inprocess import InProcess, in_process
from tests.unit.serving.test_error_answers import check
from tests.unit.serving.test_short_way import ORDINARY, door_of

TOKEN, KEY, OTHER_KEY = "the-admin-token-of-this-test", "the-api-key-of-client-1", "the-api-key-of-client-2"
INSIDE = ["/metrics", "/dashboard", "/dashboard.json", "/models", "/rollout", "/docs", "/docs.json", "/"]
ASSETS = ["/static_content/swagger-ui.css", "/static_content/swagger-ui-bundle.js"]
PROBES = ["/livez", "/readyz", "/healthz", "/startupz"]
ORIGIN = "https://app.example.org"
BODY: dict[str, Any] = {"features": EXAMPLE}

WRONG_HEADERS: list[str | bytes] = [
    "",
    "Bearer",
    "Bearer ",
    KEY,
    f"Basic {KEY}",
    f"Bearer {KEY}x",
    f"Bearer {KEY[:-1]}",
    f"Bearer {KEY},{OTHER_KEY}",
    f"Bearer {TOKEN}",
    f"Bearer {KEY.upper()}",
    "Bearer \u00fc".encode(),
]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def guarded(home: Path) -> Iterator[InProcess]:
    """A service that asks clients for a key and operators for the token, and lets one site's pages in."""
    with in_process(
        PLUMBLINE_API_KEYS=f"{KEY}, {OTHER_KEY}",
        PLUMBLINE_ADMIN_TOKEN=TOKEN,
        PLUMBLINE_INSIDE="token",
        PLUMBLINE_CORS_ORIGINS=f"https://other.example.org, {ORIGIN}",
    ) as running:
        yield running


@pytest.fixture(scope="module")
def closed(home: Path) -> Iterator[InProcess]:
    """A service whose inside is closed."""
    with in_process(PLUMBLINE_INSIDE="closed", PLUMBLINE_ADMIN_TOKEN=TOKEN) as running:
        yield running


@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
def test_a_client_with_a_key_is_answered(guarded: InProcess, key: str) -> None:
    assert guarded.request("POST", "/predict", json=BODY, headers=bearer(key)).status_code == 200
    assert guarded.request("POST", "/predict_batch", json={"rows": [EXAMPLE]}, headers=bearer(key)).status_code == 200
    assert guarded.request("POST", "/outcomes", json={"outcomes": []}, headers=bearer(key)).status_code in (200, 422)
    assert guarded.request("GET", "/schema.json", headers=bearer(key)).status_code == 200


@pytest.mark.parametrize("header", WRONG_HEADERS)
def test_a_client_without_a_right_key_is_refused_before_its_body_is_read(
    guarded: InProcess, header: str | bytes
) -> None:
    for path in ("/predict", "/predict_batch", "/predict_columns", "/outcomes"):
        answer = guarded.request("POST", path, content=b"never read", headers={"Authorization": header})
        check(answer, "unauthorised")
        assert answer.headers["www-authenticate"] == "Bearer"
    check(guarded.request("GET", "/schema.json", headers={"Authorization": header}), "unauthorised")


def test_probes_need_no_key(guarded: InProcess, closed: InProcess) -> None:
    for house in (guarded, closed):
        assert [house.request("GET", path).status_code for path in PROBES] == [200] * len(PROBES)


@pytest.mark.parametrize("path", [*INSIDE, *ASSETS])
def test_the_inside_asks_for_the_admin_token(guarded: InProcess, path: str) -> None:
    check(guarded.request("GET", path), "unauthorised")
    check(guarded.request("GET", path, headers=bearer(KEY)), "unauthorised")
    assert guarded.request("GET", path, headers=bearer(TOKEN)).status_code == 200


def _basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_a_browser_may_send_the_token_as_a_password_to_look_but_not_to_change(guarded: InProcess) -> None:
    assert guarded.request("GET", "/dashboard").headers["www-authenticate"].startswith("Basic realm=")
    assert guarded.request("GET", "/dashboard", headers=_basic(f"anybody:{TOKEN}")).status_code == 200
    for wrong in (_basic("anybody:wrong"), _basic(TOKEN), {"Authorization": "Basic ?"}, {"Authorization": "Basic"}):
        check(guarded.request("GET", "/dashboard", headers=wrong), "unauthorised")
    answer = guarded.request("POST", "/rollout/rollback", json={}, headers=_basic(f"anybody:{TOKEN}"))
    check(answer, "unauthorised")


@pytest.mark.parametrize("path", [*INSIDE, *ASSETS])
def test_a_closed_inside_does_not_exist(closed: InProcess, path: str) -> None:
    for method in ("GET", "PUT"):
        check(closed.request(method, path, headers=bearer(TOKEN)), "not_found")
    check(closed.request("POST", "/rollout/rollback", json={}, headers=bearer(TOKEN)), "not_found")


def test_predictions_go_on_behind_a_closed_inside(closed: InProcess) -> None:
    assert closed.request("POST", "/predict", json=BODY).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("PUT", "/rollout"), ("POST", "/rollout/rollback")])
def test_a_change_needs_the_admin_token_before_its_body_is_read(
    guarded: InProcess, house: InProcess, method: str, path: str
) -> None:
    for headers in ({}, bearer(KEY), bearer("wrong")):
        check(guarded.request(method, path, content=b"never read", headers=headers), "unauthorised")
    check(guarded.request(method, path, content=b"read", headers=bearer(TOKEN)), "malformed_json")
    check(house.request(method, path, content=b"never read", headers=bearer(TOKEN)), "forbidden")


def test_without_an_admin_token_the_log_says_so_at_the_start(home: Path) -> None:
    with in_process(wait=False) as without, in_process(wait=False, PLUMBLINE_ADMIN_TOKEN=TOKEN) as with_one:
        said = ["PLUMBLINE_ADMIN_TOKEN" in str(house.log()) for house in (without, with_one)]
    assert said == [True, False]


def test_by_default_all_is_open_and_a_key_does_no_harm(house: InProcess) -> None:
    assert [house.request("GET", path).status_code for path in [*INSIDE, *ASSETS]] == [200] * 10
    assert house.request("POST", "/predict", json=BODY, headers=bearer("whatever")).status_code == 200


def test_the_short_way_is_open_to_clients_with_a_key_only() -> None:
    access = Access(Settings(api_keys=f"{KEY},{OTHER_KEY}"))
    assert access.admits_client(b"Bearer " + KEY.encode())
    assert access.admits_client(b"bearer  " + OTHER_KEY.encode())
    assert not any(
        access.admits_client(header.encode() if isinstance(header, str) else header) for header in WRONG_HEADERS
    )
    assert Access(Settings()).admits_client(b"")


@pytest.mark.parametrize(
    ("settings", "headers", "short"),
    [
        ({}, [], True),
        ({}, [(b"origin", b"https://a.example")], True),
        ({"cors_origins": ORIGIN}, [], True),
        ({"cors_origins": ORIGIN}, [(b"origin", b"https://a.example")], False),
        ({"api_keys": KEY}, [], False),
        ({"api_keys": KEY}, [(b"authorization", b"Bearer wrong")], False),
        ({"api_keys": KEY}, [(b"authorization", b"Bearer " + KEY.encode())], True),
    ],
)
def test_what_needs_more_than_an_answer_takes_the_long_way(
    settings: dict[str, Any], headers: list[tuple[bytes, bytes]], short: bool
) -> None:
    asked = ShortWay(door_of(Settings(**settings))).asked(b"POST", b"/predict", [*ORDINARY, *headers])
    assert (asked is not None) == short


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


def _cors(answer: httpx.Response) -> dict[str, str]:
    return {name: text for name, text in answer.headers.items() if name.startswith("access-control-")}


def test_a_page_of_an_allowed_origin_may_ask(guarded: InProcess) -> None:
    for path in ("/predict", "/predict_batch", "/predict_columns", "/outcomes"):
        asked = guarded.request("OPTIONS", path, headers={"Origin": ORIGIN, **PREFLIGHT})
        assert (asked.status_code, asked.content) == (200, b"")
        found = _cors(asked)
        assert found["access-control-allow-origin"] == ORIGIN
        assert found["access-control-allow-methods"] == "POST"
        assert {"authorization", "content-type"} <= set(found["access-control-allow-headers"].split(", "))
        assert "access-control-allow-credentials" not in found
    answer = guarded.request("POST", "/predict", json=BODY, headers={"Origin": ORIGIN, **bearer(KEY)})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["vary"] == "origin"


def test_a_page_may_read_why_it_was_refused(guarded: InProcess) -> None:
    answer = guarded.request("POST", "/predict", json=BODY, headers={"Origin": ORIGIN})
    check(answer, "unauthorised")
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize(
    "origin", ["https://evil.example.org", "null", f"{ORIGIN}.evil.example", "http://app.example.org"]
)
def test_pages_of_other_origins_may_not(guarded: InProcess, origin: str) -> None:
    asked = guarded.request("OPTIONS", "/predict", headers={"Origin": origin, **PREFLIGHT})
    assert (asked.status_code, _cors(asked)) == (405, {})
    assert _cors(guarded.request("POST", "/predict", json=BODY, headers={"Origin": origin, **bearer(KEY)})) == {}


@pytest.mark.parametrize("path", [*INSIDE, *PROBES, "/nothing"])
def test_no_page_may_look_inside(guarded: InProcess, path: str) -> None:
    headers = {"Origin": ORIGIN, **bearer(TOKEN)}
    assert _cors(guarded.request("GET", path, headers=headers)) == {}
    assert guarded.request("OPTIONS", path, headers={**headers, **PREFLIGHT}).status_code in (404, 405)


def test_cors_is_off_by_default(house: InProcess) -> None:
    asked = house.request("OPTIONS", "/predict", headers={"Origin": ORIGIN, **PREFLIGHT})
    assert (asked.status_code, _cors(asked)) == (405, {})
    assert _cors(house.request("POST", "/predict", json=BODY, headers={"Origin": ORIGIN})) == {}


def test_a_star_lets_every_origin_in(home: Path) -> None:
    with in_process(PLUMBLINE_CORS_ORIGINS="*") as house:
        answer = house.request("POST", "/predict", json=BODY, headers={"Origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
