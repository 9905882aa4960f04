"""The dashboard's files: all of them from memory, with a strict policy, and nothing that points elsewhere."""

from __future__ import annotations

import gzip
import re
from importlib.machinery import ModuleSpec

import pytest

from monitoring import dashboard
from monitoring.dashboard import FOLDER, NAMES, PATHS, Answer, Dashboard, figures
from monitoring.snapshot import Snapshot
from schemas.errors import NotFound
from tests import sample_snapshot


@pytest.fixture(scope="module")
def files() -> Dashboard:
    """All files, read once."""
    return Dashboard()


def headers(answer: Answer) -> dict[str, str]:
    """An answer's headers."""
    return {name.decode(): value.decode() for name, value in answer.headers}


def text(files: Dashboard, path: str) -> str:
    """A file as text."""
    return files.answer(path).body.decode()


def test_every_file_of_the_folder_has_a_path() -> None:
    assert {file.name for file in FOLDER.iterdir()} | {"plotly.js"} == set(NAMES)
    assert PATHS["/dashboard"] == "index.html"


@pytest.mark.parametrize("path", PATHS)
def test_a_file_is_the_same_compressed_and_not(files: Dashboard, path: str) -> None:
    small, large = files.answer(path, b"br, gzip;q=0.8"), files.answer(path)
    assert gzip.decompress(small.body) == large.body
    assert (small.status, large.status) == (200, 200)
    assert headers(small)["content-encoding"] == "gzip"
    assert "content-encoding" not in headers(large)
    for answer in (small, large):
        assert headers(answer)["vary"] == "accept-encoding"
        assert headers(answer)["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("accepted", [b"", b"br", b"gzip;q=0", b"gzip; q=0.0", b"x-gzip-not", b"\xff\x00"])
def test_a_client_that_takes_no_gzip_gets_none(files: Dashboard, accepted: bytes) -> None:
    assert files.answer("/dashboard", accepted).body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("path", PATHS)
def test_who_has_the_file_is_sent_no_body(files: Dashboard, path: str) -> None:
    tag = headers(files.answer(path))["etag"].encode()
    for known in (tag, b'"other", ' + tag, tag.removeprefix(b"W/"), b"*"):
        answer = files.answer(path, b"gzip", known)
        assert (answer.status, answer.body, headers(answer)["etag"]) == (304, b"", tag.decode())
    assert files.answer(path, b"gzip", b'W/"other"').status == 200


def test_the_page_allows_nothing_from_elsewhere_and_nothing_inline(files: Dashboard) -> None:
    policy = headers(files.answer("/dashboard"))["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy
    page = text(files, "/dashboard")
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", page)


@pytest.mark.parametrize("path", [path for path in PATHS if not path.endswith("plotly.js")])
def test_no_file_of_ours_names_another_host(files: Dashboard, path: str) -> None:
    assert set(re.findall(r"https?://[^\s\"']+", text(files, path))) <= {"http://www.w3.org/2000/svg"}


def test_no_file_of_ours_makes_markup_from_text(files: Dashboard) -> None:
    for path in PATHS:
        if not path.endswith("plotly.js"):
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text(files, path))


def test_every_address_on_the_page_is_relative_so_that_a_prefix_does_no_harm(files: Dashboard) -> None:
    addresses = re.findall(r'(?:src|href)="([^"]+)"', text(files, "/dashboard"))
    assert len(addresses) >= 5
    assert [address for address in addresses if address.startswith("/")] == []


def test_plotly_is_kept_for_ever_under_an_address_with_its_digest_all_else_is_asked_for_again(files: Dashboard) -> None:
    charts = files.answer("/dashboard/plotly.js", b"gzip")
    assert "immutable" in headers(charts)["cache-control"]
    assert len(charts.body) < 2_000_000
    assert re.search(r'src="dashboard/plotly\.js\?[0-9a-f]{16}"', text(files, "/dashboard"))
    assert headers(files.answer("/dashboard/charts.js"))["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/dashboard/", "/dashboard/index.html", "/dashboard/../service.py", "", "/dashboard/\0"]
)
def test_what_is_no_file_is_not_found(files: Dashboard, path: str) -> None:
    with pytest.raises(NotFound):
        files.answer(path)


def test_without_plotly_the_page_still_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(dashboard, "find_spec", absent)
    files = Dashboard()
    assert files.answer("/dashboard").status == 200
    with pytest.raises(NotFound, match="plotly"):
        files.answer("/dashboard/plotly.js")


def test_figures_are_never_kept_and_the_same_compressed() -> None:
    snapshot = sample_snapshot.ringing()
    plain, small = figures(snapshot), figures(snapshot, b"gzip")
    assert Snapshot.model_validate_json(plain.body) == snapshot
    assert gzip.decompress(small.body) == plain.body
    assert headers(small)["cache-control"] == headers(plain)["cache-control"] == "no-store"
