"""``make bench``: the gateway and its peers side by side. See ``README.md``."""

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import flat
import report
from floors import FLOORS
from peers import Contestant
from peers.direct import Direct
from peers.fastapi_httpx import FastapiHttpx
from peers.litellm_proxy import LiteLlm
from peers.nginx import Nginx
from peers.paifang_gateway import PaifangGateway, PaifangUp
from peers.portkey import Portkey
from process import HERE, PROXY_CPU
from results import LIMIT, OURS, Results, Scenario
from runner import FULL, QUICK, Bench, BenchError, Plan, all_scenarios

CONTESTANTS: tuple[type[Contestant], ...] = (
    Direct,
    Nginx,
    PaifangGateway,
    PaifangUp,
    FastapiHttpx,
    Portkey,
    LiteLlm,
)

LEAST_ROUNDS = 5
"""Fewer are no median; only ``--quick`` has them."""

Say = Callable[[str], None]


def choose(names: Sequence[str]) -> tuple[list[Contestant], list[Contestant]]:
    """The contestants asked for that are here, and those that are not."""
    made = [kind() for kind in CONTESTANTS]
    wanted = [c for c in made if not names or c.name in names]
    return [c for c in wanted if c.version()], [c for c in wanted if not c.version()]


@contextlib.contextmanager
def running(
    bench: Bench, contestants: Sequence[Contestant], plan: Plan, say: Say
) -> Iterator[None]:
    """All contestants, up and warm; ended whatever happens."""
    try:
        for contestant in contestants:
            say(f"starting {contestant.name} {contestant.version()}")
            with _failing(contestant, say):
                bench.at_rest(contestant, plan.starts)
        for contestant in contestants:
            if contestant.failed:
                continue
            say(f"warming up {contestant.name}")
            with _failing(contestant, say):
                bench.warm_up(contestant, plan.warm_up)
            if contestant.cannot_stream:
                say(f"{contestant.name} cannot stream: {contestant.cannot_stream}")
        yield
    finally:
        for contestant in contestants:
            contestant.stop()


@contextlib.contextmanager
def _failing(contestant: Contestant, say: Say) -> Iterator[None]:
    """One that can't take part does not end the run of the others."""
    try:
        yield
    except (BenchError, RuntimeError) as error:
        contestant.failed = str(error)
        contestant.stop()
        say(f"FAILED: {error}")


def rounds(
    bench: Bench,
    contestants: Sequence[Contestant],
    measured: Sequence[Scenario],
    count: int,
    say: Say,
) -> None:
    """Scenario by scenario, and in each all contestants one after the other.

    Each round begins with another one, so that nobody always comes after the same.
    """
    for round_ in range(count):
        first = round_ % len(contestants)
        for scenario in measured:
            for contestant in [*contestants[first:], *contestants[:first]]:
                try:
                    bench.measure(contestant, scenario, round_)
                except BenchError as error:
                    bench.results.failures.append((contestant.name, str(error)))
                    say(f"FAILED: {error}")
        shares = (
            bench.results.all(OURS, s.id, "rate").get(round_, 0.0)
            / (bench.results.all(LIMIT, s.id, "rate").get(round_, 0.0) or float("nan"))
            for s in measured
        )
        line = ", ".join(f"{s.id} {share:.3f}" for s, share in zip(measured, shares, strict=True))
        say(f"round {round_ + 1} of {count}; share of {LIMIT}: {line}")


def long_run(bench: Bench, plan: Plan, say: Say) -> None:
    """The gateway alone, started anew."""
    calls, left = plan.steps * flat.CALLS, plan.steps * flat.LEFT
    say(f"the long run: {calls:,} calls and {left:,} streams that clients leave")
    contestant = PaifangGateway()
    folder = bench.folder / "flat"
    folder.mkdir()
    contestant.prepare(bench.upstream_port, folder)
    try:
        contestant.start(bench.upstream_port, folder)
        bench.rest(contestant)
        assert contestant.child is not None
        flat.run(
            contestant,
            contestant.child,
            steps=plan.steps,
            orders=bench.order,
            rest=bench.rest,
            upstream=bench.upstream_port,
            results=bench.results,
        )
    except (BenchError, RuntimeError) as error:
        bench.results.failures.append((contestant.name, f"the long run: {error}"))
        say(f"FAILED: {error}")
    finally:
        contestant.stop()


def verdict(results: Results, names: set[str], scenarios: set[str], say: Say) -> int:
    """How many floors are missed; our own failures count as well."""
    missed = {
        floor: why
        for floor in FLOORS
        if (why := floor.missed(results, names=names, scenarios=scenarios))
    }
    for floor, why in missed.items():
        say(f"missed: {floor.what}: {why}, must be {floor.bound}")
    held = sum(1 for floor in FLOORS if floor.check(results)[1])
    failed = sum(1 for name, _ in results.failures if name == OURS)
    say(f"floors: {held} of {len(FLOORS)} hold, {len(missed)} are missed; {failed} slices failed")
    return len(missed) + failed


def arguments() -> argparse.Namespace:
    """Of the command line."""
    names = ", ".join(kind.name for kind in CONTESTANTS)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a first look in a few minutes")
    parser.add_argument("--rounds", type=int, help=f"at least {LEAST_ROUNDS} without --quick")
    parser.add_argument("--seconds", type=float, help="of one slice")
    parser.add_argument("--only", action="append", default=[], help=f"repeatable; of {names}")
    parser.add_argument("--scenario", action="append", default=[], help="repeatable")
    parser.add_argument("--floors", action="store_true", help="fail where a floor is missed")
    parser.add_argument("--out", type=Path, help="where to write")
    return parser.parse_args()


def main() -> int:
    """Run; the exit status."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    plan = QUICK if options.quick else FULL
    count = options.rounds or plan.rounds
    plan = replace(
        plan,
        rounds=count if options.quick else max(LEAST_ROUNDS, count),
        seconds=options.seconds or plan.seconds,
    )
    # A first look is not what is quoted, so it does not go where that is.
    out: Path = options.out or (HERE.parent / "build/bench.md" if plan.quick else report.PATH)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    contestants, absent = choose(options.only)
    for contestant in absent:
        say(f"MISSING: {contestant.name} is not installed here, and is not measured")
    if PROXY_CPU is None:
        say("one core: nothing is pinned, and load and proxy compete for it")
    wanted = options.scenario
    measured = [s for s in all_scenarios(plan.seconds) if s.id in wanted or not wanted]
    with tempfile.TemporaryDirectory(prefix="paifang-bench-") as name:
        bench = Bench(Path(name))
        try:
            with running(bench, contestants, plan, say):
                there = [c for c in contestants if not c.failed]
                rounds(bench, there, measured, plan.rounds, say)
            if any(c.name == OURS for c in there):
                long_run(bench, plan, say)
        finally:
            bench.close()
    report.write(
        out,
        report.Run(
            results=bench.results,
            contestants=contestants,
            absent=absent,
            scenarios=measured,
            plan=plan,
            seconds=time.monotonic() - began,
        ),
    )
    say(f"wrote {out}")
    names = {c.name for c in (*contestants, *absent)}
    missed = verdict(bench.results, names, {s.id for s in measured}, say)
    return 1 if missed and options.floors else 0


if __name__ == "__main__":
    sys.exit(main())
