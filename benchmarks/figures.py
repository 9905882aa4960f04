"""Medians and ratios from what the rounds measured. Everything here is arithmetic on results.json."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median, quantiles
from typing import Any

Results = dict[str, Any]
"""results.json: `servers` by name with `rounds`, each with `ready_seconds`, `memory_mib` and `loads` by connections;
`turns` with pairs of requests a second for each of COMPARED; `bulk` with rows a second by way, number of rows, turn."""

FLOOR, OURS, UNWATCHED = "floor", "plumbline", "unwatched"
WATCHING, CACHE = "monitoring", "cache"
COMPARED = {WATCHING: (OURS, UNWATCHED), CACHE: ("hits", "misses")}
"""What is measured by turns, and between whom."""
IN_PROCESS, IN_PROCESS_PUBLISHED = "in process", "in process, published model"
MLSERVER_BULK = "mlserver: V2 columns"
IN_NOTEBOOK = "in process, pipeline.predict(DataFrame)"


def figure(results: Results, name: str, connections: int, key: str) -> float | None:
    """The median over the rounds; None when there is none."""
    return _median(load[key] for load in _loads(results, name, connections))


def ratio(results: Results, name: str, other: str, connections: int, key: str = "per_second") -> float | None:
    """Median over the rounds of one server's figure divided by another's of the same round."""
    pairs = zip(_by_round(results, name, connections), _by_round(results, other, connections), strict=False)
    return _median(one[key] / two[key] for one, two in pairs if one and two and two[key])


def failures(results: Results, name: str) -> int:
    """Requests without a good answer, over all rounds and connections."""
    rounds = results["servers"][name]["rounds"]
    return sum(int(load["failures"]) for one in rounds for load in one["loads"].values())


def others(results: Results) -> tuple[float, float]:
    """Median and largest share of the server's core that other processes took while something was measured."""
    rounds = [one for server in results["servers"].values() for one in server["rounds"]]
    found = [float(load.get("others", 0.0)) for one in rounds for load in one["loads"].values()]
    return (median(found), max(found)) if found else (0.0, 0.0)


def of_round(results: Results, name: str, *path: str) -> float | None:
    """The median over the rounds of a figure that does not hang on the connections."""
    found = []
    for one in results["servers"][name]["rounds"]:
        for key in path:
            one = one[key]
        found.append(one)
    return _median(found)


def connections(results: Results) -> list[int]:
    """Numbers of connections that were measured, in order."""
    servers = results["servers"].values()
    return sorted({int(key) for server in servers for one in server["rounds"] for key in one["loads"]})


def bulk_share(results: Results, key: str, other: str, rows: str) -> float | None:
    """Rows a second of one way divided by another's; the median over the turns."""
    one, two = (results["bulk"].get(way, {}).get(rows, []) for way in (key, other))
    return _median(first / second for first, second in zip(one, two, strict=False))


def beside(key: str) -> tuple[str, str, str]:
    """The ways that have a way's model: in process, the notebook's, and MLServer's; "" for none."""
    return (IN_PROCESS_PUBLISHED, "", "") if "published" in key else (IN_PROCESS, IN_NOTEBOOK, MLSERVER_BULK)


def bulk(results: Results, key: str, rows: str) -> float | None:
    """Rows a second, the median of the turns."""
    return _median(results["bulk"][key].get(rows, []))


def by_turns(results: Results, what: str) -> list[float]:
    """Of the first's throughput divided by the other's: lower quartile, median and upper quartile of the turns."""
    ratios = [one / other for one, other in results.get("turns", {}).get(what, []) if other]
    return quantiles(ratios, n=4) if len(ratios) > 1 else []


def _by_round(results: Results, name: str, connections: int) -> list[Any]:
    server = results["servers"].get(name, {"rounds": []})
    return [one["loads"].get(str(connections)) for one in server["rounds"]]


def _loads(results: Results, name: str, connections: int) -> list[Any]:
    return [load for load in _by_round(results, name, connections) if load]


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None
