"""``make bench``: the relay and its peers side by side. See ``README.md``."""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import messages
import report
from floors import FLOORS
from load import Order, Slice
from peers import Contestant
from peers.direct import Direct
from peers.fastapi_httpx import FastapiHttpx
from peers.nginx import Nginx
from peers.paifang_gateway import PaifangGateway
from process import HERE, LOAD_CPU, PROXY_CPU, Child, busy_seconds, python
from results import LIMIT, Results, Scenario

CONTESTANTS: tuple[type[Contestant], ...] = (Direct, Nginx, PaifangGateway, FastapiHttpx)

LEAST_ROUNDS = 5
STARTS = 3
"""How often start and memory at rest are measured."""
REST_STEP, REST_STEPS = 0.3, 5
"""After a slice: seconds between two looks whether a contestant rests, and how many at most."""


def scenarios(seconds: float) -> tuple[Scenario, ...]:
    """What is measured, one slice of so many seconds each."""
    return (
        Scenario("json32", "JSON, 32 connections", "json", 32, seconds),
        Scenario("json1", "JSON, 1 connection", "json", 1, seconds),
        Scenario(
            "stream8",
            f"8 streams of {messages.EVENTS} events at full speed",
            "stream",
            8,
            seconds,
            unit="events/s",
            per_call=len(messages.STREAM_EVENTS),
        ),
    )


class BenchError(Exception):
    """A contestant did not do what it must; the message says which and what."""


class Bench:
    """The load generator, the upstream double and the contestants of one run."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say
        self.results = Results()
        self.upstream = Child(
            python(HERE / "upstream.py"), cpu=LOAD_CPU, log=folder / "upstream.log", talk=True
        )
        self.upstream_port = int(self.upstream.hear())
        self.load = Child(
            python(HERE / "load.py"), cpu=LOAD_CPU, log=folder / "load.log", talk=True
        )

    def close(self) -> None:
        """End both."""
        self.load.stop()
        self.upstream.stop()

    def order(self, contestant: Contestant, kind: str, connections: int, seconds: float) -> Slice:
        """Have one slice measured. Raises :class:`BenchError`."""
        order = Order(contestant.port, kind, connections, seconds, contestant.key)
        self.load.say(json.dumps(asdict(order)))
        found = Slice(**json.loads(self.load.hear()))
        if found.error:
            raise BenchError(f"{contestant.name}, {kind} at {connections}: {found.error}")
        return found

    def at_rest(self, contestant: Contestant) -> None:
        """Start it some times: how long it takes, and what it weighs before the first call."""
        folder = self.folder / contestant.name
        folder.mkdir()
        contestant.prepare(self.upstream_port, folder)
        for number in range(STARTS):
            began = time.monotonic()
            contestant.start(self.upstream_port, folder)
            if contestant.child is None:
                return
            self.results.put(contestant.name, "", "ready", number, time.monotonic() - began)
            time.sleep(0.5)
            rss = contestant.child.rss() / 1e6
            self.results.put(contestant.name, "", "rss", number, rss)
            if number < STARTS - 1:
                contestant.stop()

    def warm_up(self, contestant: Contestant) -> None:
        """One slice of each kind that does not count, and how early a first event comes."""
        self.order(contestant, "json", 32, 0.5)
        self.order(contestant, "stream", 8, 0.5)
        for number in range(3):
            early = self.order(contestant, "paused", 1, 0).first
            self.results.put(contestant.name, "", "early", number, early)

    def measure(self, contestant: Contestant, scenario: Scenario, round_: int) -> None:
        """One slice."""
        child = contestant.child
        ours = [c for c in (child, self.load, self.upstream) if c is not None]
        began, used = time.monotonic(), child.cpu_seconds() if child else 0.0
        others = busy_seconds() - sum(c.cpu_seconds() for c in ours)
        found = self.order(contestant, scenario.kind, scenario.connections, scenario.seconds)
        wall = time.monotonic() - began
        rate = found.calls / found.seconds
        others = busy_seconds() - sum(c.cpu_seconds() for c in ours) - others

        def put(metric: str, value: float) -> None:
            self.results.put(contestant.name, scenario.id, metric, round_, value)

        put("rate", rate * scenario.per_call)
        put("p50", found.p50)
        put("p99", found.p99)
        put("others", others / wall)
        if child is not None:
            put("busy", (child.cpu_seconds() - used) / wall)
            _rest(child)
            put("cpu", (child.cpu_seconds() - used) / (rate * wall) * 1e6)


def _rest(child: Child) -> None:
    """Wait until a contestant has done what it had put off: logs, for example.

    It belongs to the CPU time of its calls, and must not disturb the next contestant.
    """
    used = child.cpu_seconds()
    for _ in range(REST_STEPS):
        time.sleep(REST_STEP)
        before, used = used, child.cpu_seconds()
        if used - before <= REST_STEP / 10:
            return


def choose(names: Sequence[str]) -> tuple[list[Contestant], list[Contestant]]:
    """The contestants asked for that are here, and those that are not."""
    made = [kind() for kind in CONTESTANTS]
    wanted = [c for c in made if not names or c.name in names]
    return [c for c in wanted if c.version()], [c for c in wanted if not c.version()]


@contextlib.contextmanager
def running(
    bench: Bench, contestants: Sequence[Contestant], say: Callable[[str], None]
) -> Iterator[None]:
    """All contestants, up and warm; ended whatever happens."""
    try:
        for contestant in contestants:
            say(f"starting {contestant.name} {contestant.version()}")
            bench.at_rest(contestant)
        for contestant in contestants:
            bench.warm_up(contestant)
        yield
    finally:
        for contestant in contestants:
            contestant.stop()


def rounds(
    bench: Bench,
    contestants: Sequence[Contestant],
    measured: Sequence[Scenario],
    count: int,
    say: Callable[[str], None],
) -> None:
    """Scenario by scenario, and in each all contestants one after the other."""
    for round_ in range(count):
        for scenario in measured:
            for contestant in contestants:
                bench.measure(contestant, scenario, round_)
        shares = (
            bench.results.all("paifang", s.id, "rate").get(round_, 0.0)
            / (bench.results.all(LIMIT, s.id, "rate").get(round_, 0.0) or float("nan"))
            for s in measured
        )
        line = ", ".join(f"{s.id} {share:.3f}" for s, share in zip(measured, shares, strict=True))
        say(f"round {round_ + 1} of {count}; share of {LIMIT}: {line}")


def verdict(results: Results, say: Callable[[str], None]) -> int:
    """How many floors are missed."""
    missed = 0
    for floor in FLOORS:
        found, holds = floor.check(results)
        if holds is False and found is not None:
            missed += 1
            say(f"missed: {floor.what} is {found.median:.3f}, must be {floor.bound}")
    return missed


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help=f"at least {LEAST_ROUNDS}")
    parser.add_argument("--seconds", type=float, default=1.2, help="of one slice")
    parser.add_argument("--only", action="append", default=[], help="a contestant; repeatable")
    parser.add_argument("--floors", action="store_true", help="fail where a floor is missed")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md", help="where to write")
    options = parser.parse_args()
    count = max(LEAST_ROUNDS, options.rounds)
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    contestants, absent = choose(options.only)
    for contestant in absent:
        say(f"{contestant.name} is absent: not installed")
    if PROXY_CPU is None:
        say("one core: nothing is pinned, and load and proxy compete for it")
    measured = scenarios(options.seconds)
    with tempfile.TemporaryDirectory(prefix="paifang-bench-") as name:
        bench = Bench(Path(name), say)
        try:
            with running(bench, contestants, say):
                rounds(bench, contestants, measured, count, say)
        except (BenchError, RuntimeError) as error:
            say(f"failed: {error}")
            return 1
        finally:
            bench.close()
    report.write(
        options.out,
        bench.results,
        contestants=contestants,
        absent=absent,
        scenarios=measured,
        rounds=count,
    )
    say(f"wrote {options.out}")
    missed = verdict(bench.results, say)
    say("every floor holds" if not missed else f"{missed} floors are missed")
    return 1 if missed and options.floors else 0


if __name__ == "__main__":
    sys.exit(main())
