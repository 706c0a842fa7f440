"""Writes ``RESULTS.md``."""

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from floors import FLOORS, Floor
from peers import Contestant
from process import HERE, PROXY_CPU
from results import LIMIT, Results, Scenario, Spread

QUIET = 0.1
"""Cores that others may use without a word of warning."""


def write(
    path: Path,
    results: Results,
    *,
    contestants: Sequence[Contestant],
    absent: Sequence[Contestant],
    scenarios: Sequence[Scenario],
    rounds: int,
) -> None:
    """Ratios first, then what they were made of."""
    lines = [
        "# Benchmark results",
        "",
        "Written by `make bench`; [README.md](README.md) says what is measured and how to read it.",
        "",
        *_machine(rounds),
        *_warning(results, contestants, scenarios),
        "",
        "## Share of nginx",
        "",
        f"Rate divided by that of {LIMIT} in the same round: median (least to most).",
        "",
        *_table(
            ["", *(s.title for s in scenarios)],
            [
                [c.name, *(_cell(results.ratio(c.name, LIMIT, s.id, "rate"), 3) for s in scenarios)]
                for c in contestants
            ],
        ),
        "",
        "## CPU of a call, to nginx's",
        "",
        "CPU time of a call as a multiple of nginx's; steadier than rates on a shared machine.",
        "",
        *_table(
            ["", *(s.title for s in scenarios)],
            [
                [c.name, *(_cell(results.ratio(c.name, LIMIT, s.id, "cpu"), 2) for s in scenarios)]
                for c in contestants
                if results.spread(c.name, "", "ready")
            ],
        ),
        "",
        "## Floors",
        "",
        *_table(
            ["floor", "bound", "measured", ""],
            [_floor_row(floor, results) for floor in FLOORS],
        ),
        "",
    ]
    for scenario in scenarios:
        lines += [f"## {scenario.title}", "", *_scenario(results, contestants, scenario), ""]
    lines += [
        "## At rest",
        "",
        *_table(
            ["", "start to ready, s", "resident memory, MB", "first event, ms"],
            [
                [
                    c.name,
                    _cell(results.spread(c.name, "", "ready"), 2),
                    _cell(results.spread(c.name, "", "rss"), 1),
                    _cell(results.spread(c.name, "", "early"), 1),
                ]
                for c in contestants
            ],
        ),
        "",
        "## Contestants",
        "",
        *(f"- **{c.name}** {c.version()}: {c.about}" for c in contestants),
        *(f"- **{c.name}**: absent, not installed on this machine" for c in absent),
    ]
    path.write_text("\n".join(lines) + "\n")


def _scenario(results: Results, contestants: Sequence[Contestant], scenario: Scenario) -> list[str]:
    columns = (("rate", 0), ("p50", 3), ("p99", 3), ("cpu", 1), ("busy", 2))
    heads = ["", scenario.unit, "p50 ms", "p99 ms", "CPU µs/call", "of a core"]
    rows = [
        [c.name, *(_cell(results.spread(c.name, scenario.id, m), digits) for m, digits in columns)]
        for c in contestants
    ]
    return _table(heads, rows)


def _floor_row(floor: Floor, results: Results) -> list[str]:
    found, holds = floor.check(results)
    verdict = "not measured" if holds is None else "holds" if holds else "**missed**"
    return [floor.what, floor.bound, _cell(found, 3), verdict]


def _cell(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "-"
    return f"{spread.median:,.{digits}f} ({spread.low:,.{digits}f} to {spread.high:,.{digits}f})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|---{'|---:' * (len(heads) - 1)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _machine(rounds: int) -> list[str]:
    pinned = (
        "proxy on one core, load generator and upstream double on another"
        if PROXY_CPU is not None
        else "nothing pinned: there is one core, which all share"
    )
    packages = ", ".join(f"{p} {version(p)}" for p in ("uvicorn", "uvloop", "httptools", "orjson"))
    load = os.getloadavg()[0]
    kernel = platform.release().partition("-")[0]
    return [
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {_commit()}",
        f"- {os.cpu_count()} x {_cpu()}, {platform.system()} {kernel}",
        f"- {platform.python_implementation()} {platform.python_version()}, {packages}",
        f"- {pinned}; {rounds} rounds, contestants interleaved; load average at the end {load:.1f}",
    ]


def _warning(
    results: Results, contestants: Sequence[Contestant], scenarios: Sequence[Scenario]
) -> list[str]:
    """A word when somebody else used the machine."""
    every = [results.all(c.name, s.id, "others") for c in contestants for s in scenarios]
    others = statistics.median([share for rounds in every for share in rounds.values()])
    if others <= QUIET:
        return []
    said = (
        f"**The machine was shared:** others used {others:.2f} of its two cores meanwhile. Rates "
        "are too low and times too long, and the faster a contestant, the more it lost; run it "
        "again on a quiet machine."
    )
    return ["", said]


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    def git(*arguments: str) -> str:
        said = subprocess.run(
            ["git", "-C", str(HERE), *arguments], capture_output=True, text=True, check=False
        )
        return said.stdout.strip() if said.returncode == 0 else ""

    commit = git("rev-parse", "--short", "HEAD")
    if not commit:
        return "none"
    return commit + (" with changes" if git("status", "--porcelain") else "")
