"""Pictures of the dashboard for the docs: `python -m tests.dashboard_pictures docs/images`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

from monitoring.snapshot import Snapshot
from tests import sample_snapshot
from tests.browser import PHONE, Scheme, chromium, look
from tests.dashboard_server import dashboard

PICTURES: dict[str, tuple[Snapshot, tuple[int, int], Scheme]] = {
    "dashboard.png": (sample_snapshot.ringing(), (1280, 900), "light"),
    "dashboard-phone.png": (sample_snapshot.well(), PHONE, "dark"),
}

COLOURS = 128

SETTLED = "new Promise((done) => setTimeout(done, 1000))"
"""Plotly draws over several frames and tells no end; a picture needs the last."""


def main(folder: Path) -> None:
    """Take them all."""
    with chromium() as browser:
        for name, (snapshot, size, scheme) in PICTURES.items():
            with dashboard(snapshot) as server, look(browser, f"{server.url}/dashboard", size, scheme) as looked:
                looked.page.wait_for_selector("#traffic-chart .main-svg")
                looked.page.evaluate(SETTLED)
                whole = looked.page.screenshot(full_page=size != PHONE)
                # a palette makes it a third as large, and nobody sees the difference
                Image.open(io.BytesIO(whole)).convert("RGB").quantize(COLOURS).save(folder / name, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
