"""``make bench-web``: what the back office costs: lists, sign-in, first load. See ``README.md``."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import lists
import machine
import sign_in
from process import HERE, LOAD_CPU
from results import Results, Spread

PATH = HERE / "RESULTS-WEB.md"
FLOOR, AIM = 1.5, 3
"""Times as many requests per second of CPU as the plain way, for a list."""
LEAST_ROUNDS = 5


def _spread(found: Spread | None, digits: int) -> str:
    if found is None:
        return "-"
    return f"{found.median:,.{digits}f} ({found.low:,.{digits}f} to {found.high:,.{digits}f})"


def _lists(results: Results) -> list[str]:
    lines = [
        "## A page of 20 rows of the 100,000 that a person may see",
        "",
        "|  | requests per second of CPU | requests per second | Paifang's to it |",
        "|---|---:|---:|---:|",
    ]
    for side in (lists.OURS, lists.PLAIN, lists.NARROW):
        rate = _spread(results.spread(side, "lists", "cpu_rate"), 0)
        wall = _spread(results.spread(side, "lists", "rate"), 0)
        ratio = _spread(results.ratio(lists.OURS, side, "lists", "cpu_rate"), 2)
        lines.append(f"| {side} | {rate} | {wall} | {ratio} |")
    return [*lines, ""]


def _sign_in(results: Results) -> list[str]:
    hashing = results.spread("argon2id", "sign in", "cpu")
    lines = [
        "## Signing in",
        "",
        f"One argon2id hash takes {hashing.median if hashing else 0:.1f} ms of CPU here.",
        f"The console alone, on SQLite; {sign_in.CLIENTS} people at once, or one.",
        "",
        "|  | CPU ms/call | calls/s | p50 ms | p50 ms, one person alone |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in sign_in.ACTS:
        told = [
            _spread(results.spread(name, "sign in", metric), digits)
            for metric, digits in (("cpu", 2), ("rate", 0), ("p50", 2), ("alone", 2))
        ]
        lines.append(f"| {name} | {' | '.join(told)} |")
    return [*lines, ""]


def _missed(results: Results) -> list[str]:
    missed = []
    for side in (lists.PLAIN, lists.NARROW):
        found = results.ratio(lists.OURS, side, "lists", "cpu_rate")
        if found is None or found.median < FLOOR:
            missed.append(f"a list to {side}: {_spread(found, 2)}, must be at least {FLOOR}")
    return missed


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help=f"at least {LEAST_ROUNDS}")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one turn")
    parser.add_argument("--database", default="", help="for lists: an empty one, else SQLite")
    parser.add_argument("--out", type=Path, default=PATH, help="where to write")
    options = parser.parse_args()
    rounds = max(LEAST_ROUNDS, options.rounds)
    began = time.monotonic()
    results = Results()
    loads = sign_in.first_load()
    if LOAD_CPU is not None:
        os.sched_setaffinity(0, {LOAD_CPU})
    for name, measure in (
        (
            "lists",
            lambda folder: lists.measure(
                results, folder, options.database, rounds=rounds, seconds=options.seconds
            ),
        ),
        (
            "sign-in",
            lambda folder: sign_in.measure(results, folder, rounds=rounds, seconds=options.seconds),
        ),
    ):
        print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="paifang-bench-") as folder:
            measure(Path(folder))
    missed = _missed(results)
    lines = [
        "# Benchmark results of the back office",
        "",
        "Written by `make bench`; [README.md](README.md#the-back-office) says what is measured.",
        "A number is the median over the rounds, with the least and the most in brackets.",
        "",
        *machine.about(rounds, time.monotonic() - began),
        "",
        *_lists(results),
        f"Must be at least {FLOOR} times of both others, aim {AIM}: "
        + ("; ".join(missed) if missed else "it is."),
        "",
        *_sign_in(results),
        "## First load",
        "",
        "What a first visit loads before anything is done, compressed; the build fails above it.",
        "",
        "```text",
        *loads.strip().splitlines(),
        "```",
    ]
    options.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines[8:]))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
