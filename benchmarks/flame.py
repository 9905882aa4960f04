"""`make flame`: where the CPU time of a request goes, as a flame graph and as a table by layer.

The service runs with the reference model, pinned to one core, under 64 connections of wrk on the other one.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

from rich.console import Console

from benchmarks import load
from benchmarks.__main__ import CACHE, PAGES
from benchmarks.contestants import Contestant, contestants
from benchmarks.load import Load
from benchmarks.material import Material, prepare
from benchmarks.running import LOAD_CORE, Running, serve

CONNECTIONS, SECONDS = 64, 10.0
WIDTH, LINE, HEAD = 1200, 17, 40
SMALLEST = 0.002
"""Share of the whole below which a frame is not drawn."""

HIDDEN = (
    *("threading.", "asyncio.", "concurrent.", "runpy.", "click.", "bentoml", "_bentoml", "__main__"),
    *("uvicorn.server", "uvicorn._compat"),
)
"""Frames that every stack has: they say nothing and are left out."""

LOOP, THREADS = "event loop, reading sockets", "the model's thread: features, trees, intervals"
LAYERS = (
    ("monitoring", ("monitoring.", "serving.observer")),
    (
        "validation, encoding",
        ("serving.single_bodies", "serving.request_reader", "preprocessors.", "pydantic", "serving.problems"),
    ),
    ("writing the answer's JSON", ("serving.bulk_answers",)),
    ("batching", ("serving.runner",)),
    ("choice of version", ("serving.router", "serving.live_models", "serving.predictor")),
    ("writing sockets", ("serving.short_way.ShortConnection._answer",)),
    ("parsing HTTP, tasks", ("serving.short_way", "serving.connections", "uvicorn.")),
    ("front door and endpoint", ("serving.",)),
)


@dataclass
class Node:
    """A frame and what was called from it; `spent` in microseconds, with all below it."""

    name: str
    spent: int = 0
    below: dict[str, Node] = field(default_factory=dict)

    def add(self, frames: list[str], spent: int) -> None:
        """Count a stack."""
        self.spent += spent
        if frames:
            self.below.setdefault(frames[0], Node(frames[0])).add(frames[1:], spent)


def read(text: str) -> dict[tuple[str, ...], int]:
    """Stacks and the microseconds spent in each, from lines of `frame;frame;frame microseconds`."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in text.splitlines():
        stack, _, spent = line.rpartition(" ")
        thread, *frames = stack.split(";")
        kept = [frame for frame in frames if not frame.startswith(HIDDEN)]
        # the main thread looks when it has the interpreter: where another one was then is no fair sample
        found[("event loop", *kept) if thread == "MainThread" else (THREADS,)] += int(spent)
    return dict(found)


def by_layer(stacks: dict[tuple[str, ...], int]) -> dict[str, int]:
    """Microseconds by layer: a stack counts for the innermost of its frames that belongs to one."""
    spent: Counter[str] = Counter()
    for frames, microseconds in stacks.items():
        spent[_layer(frames)] += microseconds
    return dict(spent.most_common())


def _layer(frames: tuple[str, ...]) -> str:
    for frame in reversed(frames):
        for layer, prefixes in LAYERS:
            if frame.startswith(prefixes):
                return layer
    return THREADS if frames == (THREADS,) else LOOP


def draw(stacks: dict[tuple[str, ...], int], title: str) -> str:
    """The flame graph as SVG, callers on top; a frame's full name and share show when pointed at."""
    root = Node("all")
    for frames, microseconds in stacks.items():
        root.add(list(frames), microseconds)
    boxes: list[str] = []
    depth = _boxes(root, 0.0, 0, root.spent, boxes)
    height = HEAD + LINE * (depth + 1) + 8
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
            'font-size="11">',
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="8" y="24" font-size="15" fill="#222222">{escape(title)}</text>',
            *boxes,
            "</svg>\n",
        ]
    )


def _boxes(node: Node, left: float, depth: int, whole: int, boxes: list[str]) -> int:
    """Draw a node and all below it; how deep that went."""
    width = WIDTH * node.spent / whole
    top = HEAD + LINE * depth
    short = ".".join(node.name.replace(".<locals>", "").split(".")[-2:])
    letters = int(width / 6.2)
    text = short if len(short) <= letters else short[: letters - 1] + "\u2026" if letters > 4 else ""
    boxes.append(
        f'<g><title>{escape(node.name)}: {node.spent / whole:.1%}</title><rect x="{left:.1f}" y="{top}" '
        f'width="{max(width - 0.6, 0.4):.1f}" height="{LINE - 1}" rx="2" fill="{_colour(node.name)}"/>'
        f'<text x="{left + 3:.1f}" y="{top + 12}" fill="#222222">{escape(text)}</text></g>'
    )
    deepest = depth
    for child in sorted(node.below.values(), key=lambda one: -one.spent):
        if child.spent >= SMALLEST * whole:
            deepest = max(deepest, _boxes(child, left, depth + 1, whole, boxes))
        left += WIDTH * child.spent / whole
    return deepest


def _colour(name: str) -> str:
    ours = {"serving": "#f4b183", "monitoring": "#c5a5e0", "preprocessors": "#a9d18e", "schemas": "#a9d18e"}
    return ours.get(name.split(".")[0], "#cfd8e3")


def sample(contestant: Contestant, material: Material) -> tuple[Load, str]:
    """Load the service and read its stacks."""
    stacks = material.folder / "stacks.txt"
    stacks.unlink(missing_ok=True)
    command = [part.replace("reference_service", "sampled_service") for part in contestant.command]
    sampled = replace(contestant, command=command, environment={**contestant.environment, "BENCH_STACKS": str(stacks)})
    with serve(sampled, material) as running:
        target = sampled.target(running.url, material)
        script = load.write_script(material.folder)
        load.run(script, target, CONNECTIONS, 2.0, LOAD_CORE)
        _collect(running, stacks)  # so far it was starting
        seen = load.run(script, target, CONNECTIONS, SECONDS, LOAD_CORE)
        return seen, _collect(running, stacks)


def _collect(running: Running, stacks: Path) -> str:
    """What the worker has sampled since the last time."""
    root, below = running.processes()
    busiest = max(below or [root], key=lambda process: sum(process.cpu_times()[:2]))
    busiest.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + 10
    while not stacks.exists() and time.monotonic() < deadline:
        time.sleep(0.05)  # between polls for the file
    text = stacks.read_text()
    stacks.unlink()
    return text


def main() -> None:
    """Measure, and write docs/benchmarks/flame.svg."""
    console = Console(soft_wrap=True)
    material = prepare((CACHE / "work").absolute(), (CACHE / "venv" / "bin" / "python").absolute())
    ours = next(one for one in contestants(None, None, material) if one.name == "plumbline")
    seen, text = sample(ours, material)
    stacks = read(text)
    whole = sum(stacks.values())
    each = 1e6 * seen.seconds / seen.requests
    title = f"CPU time of a request, {CONNECTIONS} connections: {each:.0f} us with the sampler"
    path = Path(PAGES) / "flame.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(draw(stacks, title))
    for layer, spent in by_layer(stacks).items():
        console.print(f"{layer:40} {spent / whole:6.1%} {each * spent / whole:6.1f} us")
    console.print(f"Written: {path}")


if __name__ == "__main__":
    main()
