"""Writes ``RESULTS.md``."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import machine
from floors import FLOORS, Floor
from peers import Contestant
from process import HERE
from results import LIMIT, OURS, Results, Scenario, Spread
from runner import FULL, Plan

PATH = HERE / "RESULTS.md"
QUIET = 0.1
"""Cores that others may use without a word of warning."""
FULL_CORE = 0.9
"""Share of a core from which on it is what limits."""

FEW = 100
"""Times of which the 99th percentile is the longest."""


@dataclass(frozen=True)
class Run:
    """What is written about."""

    results: Results
    contestants: Sequence[Contestant]
    absent: Sequence[Contestant]
    """Asked for, and not installed."""
    scenarios: Sequence[Scenario]
    plan: Plan
    seconds: float
    """The whole took."""


def write(path: Path, run: Run) -> None:
    """Ratios first, then what they were made of."""
    results = run.results
    fast = [s for s in run.scenarios if s.at_full_speed]
    peers = [c for c in run.contestants if c.name not in (OURS, "direct")]
    proxies = [c for c in run.contestants if results.spread(c.name, "", "ready")]
    lines = [
        "# Benchmark results",
        "",
        "Written by `make bench`; [README.md](README.md) says what is measured and how to read it.",
        "A number is the median over the rounds, with the least and the most in brackets.",
        "",
        *machine.about(run.plan.rounds, run.seconds),
        *_warnings(run),
        "",
        "## Share of nginx",
        "",
        f"Rate divided by that of {LIMIT} in the same round.",
        "",
        *_ratios(run.contestants, fast, 3, lambda c, s: results.ratio(c, LIMIT, s, "rate")),
        "",
        f"## {OURS} to the others",
        "",
        f"The rate of {OURS} divided by theirs in the same round.",
        "",
        *_ratios(peers, fast, 2, lambda c, s: results.ratio(OURS, c, s, "rate")),
        "",
        "## CPU to nginx's",
        "",
        "CPU time of a call, or of an event of a stream, as a multiple of nginx's; steadier than",
        "rates on a shared machine.",
        "",
        *_ratios(proxies, run.scenarios, 2, lambda c, s: results.ratio(c, LIMIT, s, "cpu")),
        "",
        "## Floors",
        "",
        *_table(["floor", "bound", "measured", ""], [_floor(f, results) for f in FLOORS]),
        "",
    ]
    for scenario in run.scenarios:
        lines += [f"## {scenario.title}", "", *_scenario(run, scenario), ""]
    lines += [*_at_rest(run), "", *_long_run(results), *_contestants(run)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _ratios(
    contestants: Sequence[Contestant],
    scenarios: Sequence[Scenario],
    digits: int,
    ratio: Callable[[str, str], Spread | None],
) -> list[str]:
    return _table(
        ["", *(s.title for s in scenarios)],
        [[c.name, *(_cell(ratio(c.name, s.id), digits) for s in scenarios)] for c in contestants],
    )


def _scenario(run: Run, scenario: Scenario) -> list[str]:
    unit = scenario.unit
    columns = {
        f"{unit}s/s": ("rate", 0),
        "p50 ms": ("p50", 3),
        "p99 ms": ("p99", 3),
        f"CPU µs/{unit}": ("cpu", 1),
        "of its core": ("busy", 2),
        "of the load's core": ("load", 2),
    }
    rows = [
        [
            c.name,
            *(_cell(run.results.spread(c.name, scenario.id, m), d) for m, d in columns.values()),
        ]
        for c in run.contestants
        if run.results.spread(c.name, scenario.id, "rate")
    ]
    return [*_table(["", *columns], rows), *_notes(run, scenario)]


def _notes(run: Run, scenario: Scenario) -> list[str]:
    notes = []
    if not scenario.at_full_speed:
        notes.append(
            "Times are an event's, from the upstream's write to the client's read; a proxy that "
            "keeps up passes on what is offered, so that its CPU is what counts."
        )
    elif scenario.unit == "event":
        notes.append("Times are a whole stream's.")
    at_limit = [
        c.name
        for c in run.contestants
        if (load := run.results.spread(c.name, scenario.id, "load")) and load.median >= FULL_CORE
    ]
    if at_limit:
        notes.append(
            f"The load generator and the upstream double had their core full with "
            f"{' and '.join(at_limit)}: these could do more than was asked of them."
        )
    few = [
        c.name
        for c in run.contestants
        if (times := run.results.spread(c.name, scenario.id, "counted")) and times.median < FEW
    ]
    if few:
        notes.append(f"p99 of {' and '.join(few)} is the longest time: a slice gave under {FEW}.")
    silent = [c for c in run.contestants if c.cannot_stream and scenario.kind != "json"]
    notes += [f"{c.name} cannot stream here: {c.cannot_stream}." for c in silent]
    return ["", " ".join(notes)] if notes else []


def _floor(floor: Floor, results: Results) -> list[str]:
    found, holds = floor.check(results)
    verdict = "**not measured**" if holds is None else "holds" if holds else "**missed**"
    return [floor.what, floor.bound, _cell(found, 3), verdict]


def _at_rest(run: Run) -> list[str]:
    columns = {
        "start to ready, s": ("ready", 2, 1.0),
        "resident memory, MB": ("rss", 1, 1.0),
        "CPU between its slices, % of a core": ("idle", 2, 100.0),
        "first event, ms": ("early", 1, 1.0),
    }
    rows = [
        [c.name, *(_cell(run.results.spread(c.name, "", m), d, f) for m, d, f in columns.values())]
        for c in run.contestants
    ]
    return [
        "## At rest, and the first event",
        "",
        "Memory a second after the start, before any call, child processes included. The first",
        "event: the second is held back.",
        "",
        *_table(["", *columns], rows),
    ]


def _long_run(results: Results) -> list[str]:
    if not results.steps:
        return []
    rows = [
        [f"{s.calls:,}", f"{s.left:,}", f"{s.rss:.1f}", str(s.descriptors), str(s.under_way)]
        for s in results.steps
    ]
    heads = ["calls", "streams left", "resident memory, MB", "descriptors", "still sent"]
    return [
        "## The long run",
        "",
        f"{OURS}, started anew: JSON at 32 connections, and endless streams whose clients hang up",
        "after 1 to 10 reads, step by step; looked at when it rests. Descriptors without the",
        "connections that it keeps to the upstream, and a file that is open twice counts once: the",
        'database opens connections as it needs them. "Still sent" are streams that the upstream',
        "double goes on with although nobody reads them.",
        "",
        *_table(heads, rows),
        "",
    ]


def _contestants(run: Run) -> list[str]:
    rows = [[c.name, c.version(), c.about, c.leaves_out] for c in run.contestants]
    rows += [[c.name, "-", c.about, "**not installed: not measured**"] for c in run.absent]
    heads = ["", "version", "what it does", "what it leaves out"]
    lines = ["## Contestants", "", f"| {' | '.join(heads)} |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    refused = [c for c in run.contestants if c.cannot_stream]
    lines += [f"\n{c.name} cannot stream here: {c.cannot_stream}." for c in refused]
    rewriting = [c.name for c in run.contestants if not c.exact]
    if rewriting:
        lines.append(
            f"\n{' and '.join(rewriting)} write answers anew: text, model tokens and the stream's "
            "end are compared with the upstream's. Of all others each connection's first answer "
            "in each slice is compared byte for byte."
        )
    longer = [f"{c.name} {c.patience:g}" for c in run.contestants if c.patience > 1]
    if longer:
        lines.append(f"\nSlices are longer for the slow, times: {', '.join(longer)}.")
    return lines


def _line(text: str) -> str:
    """Without what would break a line or a table."""
    return " ".join(text.split()).replace("|", "/")[:400]


def _cell(spread: Spread | None, digits: int, factor: float = 1.0) -> str:
    if spread is None:
        return "-"
    low, high = spread.low * factor, spread.high * factor
    said = f"{spread.median * factor:,.{digits}f}"
    return said if low == high else f"{said} ({low:,.{digits}f} to {high:,.{digits}f})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|---{'|---:' * (len(heads) - 1)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _warnings(run: Run) -> list[str]:
    lines = []
    if run.plan.quick:
        lines.append("**A first look:** slices and rounds are too few to be quoted.")
    lines += [
        f"**{c.name} is missing:** it is not installed here, so its floor counts as missed."
        for c in run.absent
    ]
    failed = [(c.name, c.failed) for c in run.contestants if c.failed]
    lines += [
        f"**{name} failed:** {_line(reason)}" for name, reason in [*failed, *run.results.failures]
    ]
    every = [
        run.results.all(c.name, s.id, "others") for c in run.contestants for s in run.scenarios
    ]
    shares = [share for by_round in every for share in by_round.values()]
    if shares and (others := statistics.median(shares)) > QUIET:
        lines.append(
            f"**The machine was shared:** others used {others:.2f} of its two cores meanwhile. "
            "Rates are too low and times too long, and the faster a contestant, the more it lost; "
            "run it again on a quiet machine."
        )
    if run.results.steps and run.plan.steps < FULL.steps:
        lines.append(f"**The long run was short:** {run.results.steps[-1].calls:,} calls.")
    return [text for line in lines for text in ("", line)]
