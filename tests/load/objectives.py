"""What the service promises under load, and whether a run kept it. Standard library only: locust's Python reads it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Objectives:
    """The promises of one form of the load test.

    Args:
        failed_share: largest share of requests that get no answer or a wrong one, ramp included.
        requests_per_second: least in the steady stage.
        p99_ms: by beginning of a request's name, the longest 99th percentile in the steady stage.
        cached_share: least share of cached answers to repeated rows in the steady stage.
    """

    failed_share: float
    requests_per_second: float
    p99_ms: dict[str, float] = field(default_factory=dict)
    cached_share: float = 0.5


FULL = Objectives(
    failed_share=0.0,
    requests_per_second=300,
    p99_ms={"predict": 100, "bulk": 500, "outcomes": 250, "refused": 100, "watching": 1000},
)
"""`make load`: what docs/operations.md promises (99 % of the single rows within 100 ms), with 200 users on two cores
that the users share."""

SHORT = Objectives(
    failed_share=0.0,
    requests_per_second=10,
    p99_ms={"predict": 10_000, "bulk": 10_000, "outcomes": 10_000, "refused": 10_000, "watching": 10_000},
    cached_share=0.2,
)
"""In `make test`: that everything is answered rightly. How fast is for a machine that does nothing else."""

FORMS = {"full": FULL, "short": SHORT}


@dataclass(frozen=True)
class Row:
    """What was seen of one kind of request in the steady stage; times in milliseconds."""

    name: str
    requests: int
    failures: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


@dataclass(frozen=True)
class Figures:
    """What a run saw.

    Args:
        rows: of the steady stage.
        seconds: length of the steady stage.
        ramp_requests, ramp_failures: before it.
        repeated, cached: answers in the steady stage to rows that come again and again, and those from the cache.
        failures: what went wrong, and how often.
    """

    rows: list[Row]
    seconds: float
    ramp_requests: int = 0
    ramp_failures: int = 0
    repeated: int = 0
    cached: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """In the steady stage."""
        return sum(row.requests for row in self.rows)

    @property
    def requests_per_second(self) -> float:
        """In the steady stage."""
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def failed_share(self) -> float:
        """Of all requests, ramp included."""
        failed = self.ramp_failures + sum(row.failures for row in self.rows)
        return failed / max(1, self.ramp_requests + self.requests)

    @property
    def cached_share(self) -> float:
        """Of the answers to repeated rows."""
        return self.cached / self.repeated if self.repeated else 0.0


def broken(objectives: Objectives, figures: Figures) -> list[str]:
    """The objectives that a run missed, one sentence each; a kind of request that never came is one too."""
    missed = []
    if not figures.rows:
        missed.append("there was no steady stage")
    if figures.failed_share > objectives.failed_share:
        missed.append(f"{figures.failed_share:.4%} of the requests failed; at most {objectives.failed_share:.4%} may")
    if figures.requests_per_second < objectives.requests_per_second:
        rate = figures.requests_per_second
        missed.append(f"{rate:,.1f} requests a second; {objectives.requests_per_second:g} were wanted")
    if figures.cached_share < objectives.cached_share:
        missed.append(f"{figures.cached_share:.1%} of repeated rows were cached; {objectives.cached_share:.0%} wanted")
    for kind, limit in objectives.p99_ms.items():
        found = [row for row in figures.rows if row.name.startswith(kind)]
        missed += [] if found else [f"no request of the kind {kind!r}"]
        missed += [
            f"{row.name}: the 99th percentile is {row.p99_ms:,.0f} ms; {limit:,.0f} ms are allowed"
            for row in found
            if row.p99_ms > limit
        ]
    return missed
