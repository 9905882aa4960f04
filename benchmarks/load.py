"""Load by wrk: its script, its command line, and how its answer is read."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """\
-- FILE PATH MODE FIRST. Sends the lines of FILE in turn. MODE "unique" makes every row another one, by its latitude,
-- counting from FIRST; "unique" and "repeated" also count the answers that say that they come from a cache.
local requests, place, threads = {}, 0, {}
answers, cached = 0, 0

function setup(thread)
  table.insert(threads, thread)
end

local function count(_, _, body)
  answers = answers + 1
  if body:find('"cached":true', 1, true) then cached = cached + 1 end
end

function init(args)
  for line in io.lines(args[1]) do
    local whole = wrk.format("POST", args[2], {["Content-Type"] = "application/json"}, line)
    if args[3] == "unique" then
      local first, last = whole:find('"latitude":[%d.]+')
      requests[#requests + 1] =
        {whole:sub(1, first + 10), tonumber(whole:sub(first + 11, last)), whole:sub(last + 1)}
    else
      requests[#requests + 1] = whole
    end
  end
  sent = tonumber(args[4])
  if args[3] ~= "different" then response = count end
end

function request()
  place = place % #requests + 1
  local this = requests[place]
  if type(this) == "string" then return this end
  sent = sent + 1
  return this[1] .. string.format("%.9f", this[2] + sent * 1e-9) .. this[3]
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "mean": %.1f, "p50": %.1f, "p99": %.1f, "not_ok": %d, "lost": %d, ' ..
    '"answers": %d, "cached": %d}\\n',
    summary.requests, summary.duration, latency.mean, latency:percentile(50), latency:percentile(99), e.status,
    e.connect + e.read + e.write + e.timeout, threads[1]:get("answers"), threads[1]:get("cached")))
end
"""

TIMEOUT_SECONDS = 30
ROWS_A_RUN = 1_000_000
"""More than one run sends."""


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw. `failures` are answers other than 2xx, and requests without any answer.

    Args:
        cached_share: of the answers that were looked into, those that came from a cache.
    """

    requests: int
    seconds: float
    mean_ms: float
    p50_ms: float
    p99_ms: float
    failures: int
    cached_share: float

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return max(self.requests - self.failures, 0) / self.seconds


@dataclass(frozen=True)
class Target:
    """Where wrk sends what.

    Args:
        url: address without a path.
        bodies: file with a body a line.
        mode: "different" rows, "repeated" ones, or each row once: "unique".
    """

    url: str
    path: str
    bodies: Path
    mode: str = "different"


def write_script(folder: Path) -> Path:
    """Put the Lua script into a folder."""
    script = folder / "wrk.lua"
    script.write_text(SCRIPT)
    return script


def run(script: Path, target: Target, connections: int, seconds: float, core: int, number: int = 0) -> Load:
    """Load a server from one core.

    Args:
        number: of the run on this server; the unique rows of each are others.

    Raises:
        AssertionError: wrk gave no result.
    """
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    command += ["--timeout", f"{TIMEOUT_SECONDS}s", "-s", str(script), target.url, "--"]
    command += [str(target.bodies), target.path, target.mode, str(number * ROWS_A_RUN)]
    limit = seconds + TIMEOUT_SECONDS + 10
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)  # noqa: S603
    return parse(done.stdout + done.stderr)


def parse(output: str) -> Load:
    """Read the line that the script writes.

    Raises:
        AssertionError: there is none.
    """
    lines = [line.removeprefix("RESULT ") for line in output.splitlines() if line.startswith("RESULT ")]
    assert lines, f"wrk gave no result:\n{output[-2000:]}"
    seen = json.loads(lines[-1])
    return Load(
        requests=seen["requests"],
        seconds=seen["microseconds"] / 1e6,
        mean_ms=seen["mean"] / 1000,
        p50_ms=seen["p50"] / 1000,
        p99_ms=seen["p99"] / 1000,
        failures=seen["not_ok"] + seen["lost"],
        cached_share=seen["cached"] / max(seen["answers"], 1),
    )
