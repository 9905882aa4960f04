"""The dashboard's files: a page, its style, its scripts, and Plotly's script out of Plotly's wheel.

The page asks for `dashboard.json` (monitoring/snapshot.py) and for nothing else; every file comes from this service.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from monitoring.snapshot import Snapshot
from schemas.errors import NotFound

PAGE = "index.html"
CHARTS = "plotly.js"

FOLDER = Path(__file__).with_name("dashboard_static")

NAMES = (PAGE, "dashboard.css", "dashboard.js", "words.js", "overview.js", "charts.js", "features.js", CHARTS)

PATHS = {"/dashboard" if name == PAGE else f"/dashboard/{name}": name for name in NAMES}
"""The file behind each path; all others under /dashboard are nothing."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: nothing from another host, nothing inline."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}

Headers = list[tuple[bytes, bytes]]


class Answer(NamedTuple):
    """An answer in one piece; its headers do not repeat the length."""

    status: int
    headers: Headers
    body: bytes


def figures(snapshot: Snapshot, accept_encoding: bytes = b"") -> Answer:
    """The answer to GET /dashboard.json (about 70 kB for 14 columns and 3 versions, a quarter when compressed)."""
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept-encoding"),
    ]
    body = snapshot.model_dump_json().encode()
    if _takes_gzip(accept_encoding):
        return Answer(200, [*headers, (b"content-encoding", b"gzip")], gzip.compress(body, compresslevel=1, mtime=0))
    return Answer(200, headers, body)


class _File(NamedTuple):
    headers: Headers
    etag: bytes
    compressed: bytes


class Dashboard:
    """Every file, compressed and in memory (about 1.5 MB). Making it reads and compresses 5 MB, a tenth of a second.

    Without the package plotly the page still comes, with its words and tables, and says that charts are missing.
    """

    def __init__(self) -> None:
        charts = _charts()
        bodies = {name: (FOLDER / name).read_bytes() for name in NAMES if name != CHARTS}
        if charts is not None:
            bodies[CHARTS] = charts
            # the address carries the digest, so it may be kept for ever: another script has another address
            address = b"plotly.js?" + _digest(charts).encode()
            bodies[PAGE] = bodies[PAGE].replace(b"plotly.js?", address)
            bodies[PAGE] = bodies[PAGE].replace(b"plotly-styles", _style_id(charts))
        self._files = {path: _file(name, bodies[name]) for path, name in PATHS.items() if name in bodies}

    def answer(self, path: str, accept_encoding: bytes = b"", if_none_match: bytes = b"") -> Answer:
        """The answer to GET of a path in PATHS; 304 without a body if the client has the same.

        Args:
            path: without the query.
            accept_encoding, if_none_match: the request's headers, empty where it has none.

        Raises:
            NotFound: no such file, or it is the charts' and Plotly is not installed.
        """
        file = self._files.get(path)
        if file is None:
            raise NotFound(f"There is no {path}." if path in PATHS else "The dashboard has no such file.")
        headers = [*file.headers, (b"etag", file.etag)]
        if _names(if_none_match, file.etag):
            return Answer(304, headers, b"")
        if _takes_gzip(accept_encoding):
            return Answer(200, [*headers, (b"content-encoding", b"gzip")], file.compressed)
        return Answer(200, headers, gzip.decompress(file.compressed))


def _file(name: str, body: bytes) -> _File:
    kept = b"public, max-age=31536000, immutable" if name == CHARTS else b"no-cache"
    headers = [
        (b"content-type", _TYPES[Path(name).suffix].encode()),
        (b"cache-control", kept),
        (b"vary", b"accept-encoding"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if name == PAGE:
        headers += [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
    # weak: the same file compressed or not
    return _File(headers, f'W/"{_digest(body)}"'.encode(), gzip.compress(body, compresslevel=6, mtime=0))


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


def _charts() -> bytes | None:
    """Plotly's script out of its wheel; None if it is not installed."""
    spec = find_spec("plotly")  # finds it without importing it
    for place in (spec.submodule_search_locations or []) if spec else []:
        file = Path(place) / "package_data" / "plotly.min.js"
        if file.is_file():
            return file.read_bytes()
    return None


def _style_id(charts: bytes) -> bytes:
    """The id under which Plotly adds a style element for its maps, which the policy forbids and no chart here needs.

    It adds none when an element with this id is there already.
    """
    found = re.search(rb'getElementById\("([0-9a-f]{64})"\)', charts)
    return found[1] if found else b"plotly-styles"


def _names(if_none_match: bytes, etag: bytes) -> bool:
    """Whether the header names this tag; weak and strong ones compare alike (RFC 9110, 13.1.2)."""
    opaque = etag.removeprefix(b"W/")
    return any(tag.strip().removeprefix(b"W/") in (opaque, b"*") for tag in if_none_match.split(b","))


def _takes_gzip(accept_encoding: bytes) -> bool:
    for part in accept_encoding.lower().split(b","):
        coding, _, quality = part.partition(b";")
        if coding.strip() == b"gzip":
            return quality.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False
