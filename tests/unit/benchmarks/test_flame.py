"""Stacks become layers and boxes."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.flame import LOOP, THREADS, by_layer, draw, read

RUN = "MainThread;runpy._run;uvicorn.server.Server.run;asyncio.runners.Runner.run"
ANSWER = f"{RUN};serving.short_way.ShortConnection._answer"
TEXT = f"""\
{RUN} 100
{ANSWER} 50
{ANSWER};serving.endpoints.predict;serving.endpoints.validated;pydantic.main.BaseModel.model_validate_json 30
{ANSWER};serving.runner.Runner.submit;a.<lambda> 5
runner_0;threading.Thread.run;serving.batch.BatchComputer.outcomes 70
runner_1;threading.Thread.run 45"""


def test_every_microsecond_belongs_to_one_layer() -> None:
    layers = by_layer(read(TEXT))
    assert layers == {THREADS: 115, LOOP: 100, "writing sockets": 50, "validation, encoding": 30, "batching": 5}


def test_boxes_have_the_width_of_their_share() -> None:
    image = ElementTree.fromstring(draw(read(TEXT), "A & B"))  # written a line above
    widths = {group[0].text: float(group[1].get("width", 0)) for group in image.iter("{http://www.w3.org/2000/svg}g")}
    whole = widths["all: 100.0%"]
    assert widths[f"{THREADS}: 38.3%"] / whole == pytest.approx(115 / 300, abs=0.002)
    assert "a.<lambda>: 1.7%" in widths
