"""docs/benchmarks/README.md from results.json."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import figures
from benchmarks.figures import CACHE, COMPARED, FLOOR, OURS, WATCHING, Results

ABSENT = "-"


def page(results: Results) -> str:
    """The whole page."""
    parts = [_head(results), _throughput(results), _latency(results), _cost(results), _ratios(results)]
    parts += [_watching(results), _cache(results), _bulk(results), _absent(results), _machine(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def number(value: float | None, digits: int = 0, unit: str = "") -> str:
    """For people: thousands separated, a dash for nothing."""
    return ABSENT if value is None else f"{value:,.{digits}f}{unit}"


def _head(results: Results) -> str:
    options = results["options"]
    usual, worst = figures.others(results)
    return (
        "# Benchmarks\n\n"
        "Written by `make bench`; [results.json](results.json) has every round. One row per request, JSON, validated, "
        "keep-alive; the server on one core, wrk on another. Everybody serves the reference model (10 scaled numbers, "
        "2 one-hot categories, 200 trees of depth 6) and was checked to give its answers before it was measured; "
        '"published model" is the house-price model with its intervals. '
        f"Medians of {options['rounds']} interleaved rounds of {options['seconds']} s. "
        f"While they ran, other processes took {usual:.0%} of the server's core (median; at worst {worst:.0%}): "
        "with more than a few percent, run it again on a quiet machine.\n\n"
        "![Throughput and tail latency](benchmarks.svg)"
    )


def _by_connections(results: Results, title: str, cell: str, unit: str = "") -> str:
    columns = figures.connections(results)
    rows = []
    for name, server in results["servers"].items():
        cells = [_cell(results, name, count, cell) for count in columns]
        failed = figures.failures(results, name)
        rows.append([server["title"], *cells, number(failed)])
    head = ["", *(f"{count} connection{'s' if count > 1 else ''}" for count in columns), "failures"]
    return f"## {title}{unit}\n\n{table(head, rows)}"


def _cell(results: Results, name: str, count: int, cell: str) -> str:
    if cell == "latency":
        p50, p99 = (figures.figure(results, name, count, key) for key in ("p50_ms", "p99_ms"))
        return ABSENT if p50 is None else f"{number(p50, 2)} / {number(p99, 1)}"
    return number(figures.figure(results, name, count, cell))


def _throughput(results: Results) -> str:
    return _by_connections(results, "Requests a second", "per_second")


def _latency(results: Results) -> str:
    return _by_connections(results, "Latency: p50 / p99", "latency", ", ms")


def _cost(results: Results) -> str:
    columns = figures.connections(results)
    rows = []
    for name, server in results["servers"].items():
        cells = [number(figures.figure(results, name, count, "cpu_us")) for count in columns]
        cells.append(number(figures.of_round(results, name, "ready_seconds"), 1))
        cells += [number(figures.of_round(results, name, "memory_mib", part)) for part in ("workers", "arbiter")]
        rows.append([server["title"], *cells])
    head = ["", *(f"CPU at {count}, us/request" for count in columns)]
    head += ["start to first answer, s", "workers, MiB", "arbiter, MiB"]
    return f"## Cost\n\n{table(head, rows)}"


def _ratios(results: Results) -> str:
    columns = figures.connections(results)
    head = ["", *map(str, columns)]
    to_floor = [
        [server["title"], *(number(figures.ratio(results, name, FLOOR, count), 3) for count in columns)]
        for name, server in results["servers"].items()
        if name != FLOOR
    ]
    floor = f"## Throughput as a share of the floor, by connections\n\n{table(head, to_floor)}"
    others = [name for name in results["servers"] if name not in (OURS, *COMPARED[CACHE])]
    if OURS not in results["servers"] or not others:
        return floor
    rows = [
        [results["servers"][name]["title"], *(_against(results, name, count) for count in columns)] for name in others
    ]
    costs = [[results["servers"][name]["title"], *_cost_against(results, name, columns)] for name in others]
    cost_head = ["", *(f"CPU at {count}" for count in columns), "start", "workers' memory"]
    return (
        f"{floor}\n\n## This service divided by the others: throughput / p99, by connections\n\n{table(head, rows)}"
        f"\n\n## This service divided by the others: cost\n\n{table(cost_head, costs)}"
    )


def _against(results: Results, name: str, count: int) -> str:
    both = (figures.ratio(results, OURS, name, count, key) for key in ("per_second", "p99_ms"))
    return " / ".join(number(value, 2) for value in both)


def _cost_against(results: Results, name: str, columns: Sequence[int]) -> list[str]:
    cells = [number(figures.ratio(results, OURS, name, count, "cpu_us"), 3) for count in columns]
    for path in (("ready_seconds",), ("memory_mib", "workers")):
        ours, other = (figures.of_round(results, one, *path) for one in (OURS, name))
        cells.append(number(ours / other if ours and other else None, 2))
    return cells


def _watching(results: Results) -> str:
    found = figures.by_turns(results, WATCHING)
    if not found:
        return ""
    high, usual, low = (f"{100 * (1.0 - share):.1f} %" for share in found)
    return (
        f"## What monitoring costs\n\n**{usual}** of the throughput at 64 connections: the median of "
        f"{len(results['turns'][WATCHING])} pairs of one second with monitoring and one without, half of them between "
        f"{low} and {high}. The two servers take turns, and the one whose turn it is not is paused: rounds of the "
        "tables above lie further apart, and differ by more than this."
    )


def _cache(results: Results) -> str:
    hits, misses = COMPARED[CACHE]
    if not {hits, misses} <= results["servers"].keys():
        return ""
    columns = figures.connections(results)
    rows = [["by rounds", *(number(figures.ratio(results, hits, misses, count), 2) for count in columns)]]
    found = figures.by_turns(results, CACHE)
    turns = (
        f"By turns, as monitoring was measured, **{found[1]:.2f}** at 64 connections, "
        f"half of {len(results['turns'][CACHE])} pairs between {found[0]:.2f} and {found[2]:.2f}."
        if found
        else ""
    )
    head = ["", *map(str, columns)]
    return f"## Cache: throughput of hits / misses, by connections\n\n{table(head, rows)}\n\n{turns}".rstrip()


def _bulk(results: Results) -> str:
    bulk = results.get("bulk", {})
    if not bulk:
        return ""
    sizes = sorted({size for found in bulk.values() for size in found}, key=int)
    rows = []
    for name in bulk:
        cells = [number(figures.bulk(results, name, size)) for size in sizes]
        shares = [
            number(figures.bulk_share(results, name, other, size), 2)
            for other in figures.beside(name)
            for size in sizes
        ]
        rows.append([name, *cells, *shares])
    titles = ("rows a second", "of its model alone", "of the notebook's pipeline", "of MLServer")
    head = ["", *(f"{int(size):,}: {title}" for title in titles for size in sizes)]
    return (
        "## Many rows in one request, one connection\n\n"
        "By turns of a second, all servers running and all but one paused: "
        f"medians of the turns, and of their ratios.\n\n{table(head, rows)}"
    )


def _absent(results: Results) -> str:
    absent = results.get("absent", {})
    if not absent:
        return ""
    return "## Absent\n\n" + "\n".join(f"- {name}: {reason}" for name, reason in absent.items())


def _machine(results: Results) -> str:
    lines = [f"- {name}: {value}" for name, value in results["environment"].items()]
    return "## Where it ran\n\n" + "\n".join(lines)
