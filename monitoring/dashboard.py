"""The dashboard's files: a page, its style, its scripts, and Plotly's script out of Plotly's wheel.

The page reads `dashboard.json` (monitoring/snapshot.py) and nothing else; every file comes from this service.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from schemas.errors import NotFound

PAGE = "index.html"
CHARTS = "plotly.js"

FOLDER = Path(__file__).with_name("dashboard_static")

NAMES = (PAGE, "dashboard.css", "dashboard.js", "words.js", "overview.js", "charts.js", "features.js", CHARTS)
"""Every file. The page is `/dashboard`, any other `/dashboard/<name>`."""

PATHS = {"/dashboard" if name == PAGE else f"/dashboard/{name}": name for name in NAMES}
"""The file behind each path."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Content-Security-Policy of the page: nothing from another host, nothing inline."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


class Asset(NamedTuple):
    """A file as it is answered: `headers` do not repeat the content type."""

    content_type: str
    headers: dict[str, str]
    body: bytes


def asset(name: str, accepts_gzip: bool = True) -> Asset:
    """A file of the dashboard, by its name in NAMES.

    The first call for Plotly's script compresses 5 MB (a third of a second): make it in a thread.

    Raises:
        NotFound: no such file, or Plotly is not installed.
    """
    if name not in NAMES:
        raise NotFound("No such file of the dashboard.")
    content_type = _TYPES[Path(name).suffix]
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if name == CHARTS:
        # its address carries its digest, so another version of it has another address
        headers |= {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        if not accepts_gzip:
            return Asset(content_type, headers, _charts_file().read_bytes())
        return Asset(content_type, headers | {"Content-Encoding": "gzip"}, _compressed_charts())
    body = (FOLDER / name).read_bytes()
    if name == PAGE:
        body = body.replace(b"plotly.js", b"plotly.js?" + _charts_digest())
        headers |= {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
    return Asset(content_type, headers, body)


def _charts_file() -> Path:
    spec = find_spec("plotly")  # finds it without importing it
    for place in (spec.submodule_search_locations or []) if spec else []:
        file = Path(place) / "package_data" / "plotly.min.js"
        if file.is_file():
            return file
    raise NotFound("The charts need the package plotly, which is not installed here.")


@cache
def _compressed_charts() -> bytes:
    return gzip.compress(_charts_file().read_bytes(), mtime=0)


@cache
def _charts_digest() -> bytes:
    """Changes with the script; the page itself is served without it too."""
    try:
        return hashlib.sha256(_charts_file().read_bytes()).hexdigest()[:12].encode()
    except NotFound:
        return b"missing"
