"""One run: load generator, upstream double, contestants, and what was measured of them."""

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import messages
from load import Order, Slice
from peers import Contestant
from process import HERE, LOAD_CPU, Child, busy_seconds, python
from results import Results, Scenario

STARTED = 1.0
"""Seconds after a start at which memory is looked at."""
REST_STEP, REST = 0.3, 3.0
"""After a slice: seconds between two looks whether a contestant rests, and how many at most."""


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    """Of a slice, times what its scenario and contestant need."""
    warm_up: float
    """Share of each contestant's own."""
    starts: int
    """Of each contestant, at most."""
    steps: int
    """Of the long run."""
    quick: bool = False
    """For a first look: too little to be quoted."""


FULL = Plan(rounds=7, seconds=1.2, warm_up=1.0, starts=3, steps=10)
QUICK = Plan(rounds=2, seconds=0.4, warm_up=0.3, starts=1, steps=3, quick=True)


def all_scenarios(seconds: float) -> tuple[Scenario, ...]:
    """What is measured. Longer where a call takes longer, because more of them are under way."""
    events = len(messages.STREAM_EVENTS)
    return (
        *(
            Scenario(
                f"json{connections}",
                f"JSON, {connections} connection{'s' if connections > 1 else ''}",
                "json",
                connections,
                seconds * share,
            )
            for connections, share in ((1, 1.0), (32, 1.0), (128, 1.5))
        ),
        *(
            Scenario(
                f"stream{connections}",
                f"{connections} streams of {messages.EVENTS} events at full speed",
                "stream",
                connections,
                seconds * share,
                unit="event",
                per_call=events,
            )
            for connections, share in ((8, 1.0), (32, 1.5))
        ),
        Scenario(
            "paced48",
            f"48 streams paced at {messages.PACE * 1000:g} ms an event",
            "paced",
            48,
            seconds * 2,
            unit="event",
            at_full_speed=False,
        ),
    )


class BenchError(Exception):
    """A contestant did not do what it must; the message says which and what."""


@dataclass
class _Window:
    """CPU time in and between the slices of a contestant."""

    ended: float = 0.0
    used: float = 0.0
    idle: float = 0.0
    wall: float = 0.0


class Bench:
    """The load generator and the upstream double of one run, and its results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = Results()
        self.upstream = Child(
            python(HERE / "upstream.py"), cpu=LOAD_CPU, log=folder / "upstream.log", talk=True
        )
        self.upstream_port = int(self.upstream.hear())
        self.load = Child(
            python(HERE / "load.py"), cpu=LOAD_CPU, log=folder / "load.log", talk=True
        )
        self.windows: dict[str, _Window] = {}

    def close(self) -> None:
        """End both."""
        self.load.stop()
        self.upstream.stop()

    def order(
        self,
        contestant: Contestant,
        kind: str,
        connections: int,
        calls: int = 0,
        seconds: float = 0.0,
    ) -> Slice:
        """Have one slice measured, or a number of calls made. Raises :class:`BenchError`."""
        order = Order(
            port=contestant.port,
            kind=kind,
            connections=connections,
            seconds=seconds,
            calls=calls,
            headers=contestant.headers,
            exact=contestant.exact,
        )
        self.load.say(json.dumps(asdict(order)))
        found = Slice(**json.loads(self.load.hear()))
        if found.error:
            raise BenchError(f"{contestant.name}, {kind} at {connections}: {found.error}")
        return found

    def at_rest(self, contestant: Contestant, starts: int) -> None:
        """Start it some times: how long it takes, and what it weighs before the first call."""
        folder = self.folder / contestant.name.replace(" ", "-")
        folder.mkdir()
        contestant.prepare(self.upstream_port, folder)
        starts = min(starts, contestant.starts)
        for number in range(starts):
            began = time.monotonic()
            contestant.start(self.upstream_port, folder)
            if contestant.child is None:
                return
            self.results.put(contestant.name, "", "ready", number, time.monotonic() - began)
            time.sleep(STARTED)
            rss = contestant.child.rss() / 1e6
            self.results.put(contestant.name, "", "rss", number, rss)
            if number < starts - 1:
                contestant.stop()

    def warm_up(self, contestant: Contestant, share: float) -> None:
        """Load that does not count, whether it can stream, and how early a first event comes."""
        self.order(contestant, "json", 32, seconds=contestant.warm_up * share)
        try:
            self.order(contestant, "stream", 8, seconds=contestant.warm_up * share / 2)
        except BenchError as error:
            if contestant.must_stream:
                raise
            contestant.cannot_stream = _reason(error, contestant.child)
        else:
            for number in range(3):
                early = self.order(contestant, "paused", 1, calls=1).first
                self.results.put(contestant.name, "", "early", number, early)
        self.rest(contestant)
        self._mark(contestant)

    def measure(self, contestant: Contestant, scenario: Scenario, round_: int) -> None:
        """One slice."""
        if contestant.cannot_stream and scenario.kind != "json":
            return
        child = contestant.child
        doubles = (self.load, self.upstream)
        ours = [c for c in (child, *doubles) if c is not None]
        began, used = time.monotonic(), child.cpu_seconds() if child else 0.0
        double = sum(c.cpu_seconds() for c in doubles)
        others = busy_seconds() - sum(c.cpu_seconds() for c in ours)
        try:
            found = self.order(
                contestant,
                scenario.kind,
                scenario.connections,
                seconds=scenario.seconds * contestant.patience,
            )
        except BenchError:
            self.rest(contestant)
            self._mark(contestant)
            raise
        wall = time.monotonic() - began
        double = sum(c.cpu_seconds() for c in doubles) - double
        others = busy_seconds() - sum(c.cpu_seconds() for c in ours) - others

        def put(metric: str, value: float) -> None:
            self.results.put(contestant.name, scenario.id, metric, round_, value)

        put("rate", found.counted / found.seconds * scenario.per_call)
        put("counted", found.counted)
        put("p50", found.p50)
        put("p99", found.p99)
        put("load", double / wall)
        put("others", others / wall)
        if child is not None:
            put("busy", (child.cpu_seconds() - used) / wall)
            self.rest(contestant)
            after = child.cpu_seconds()
            put("cpu", (after - used) / (found.made * scenario.per_call) * 1e6)
            window = self.windows[contestant.name]
            window.idle += used - window.used
            window.wall += began - window.ended
            self.results.put(contestant.name, "", "idle", 0, window.idle / window.wall)
            self._mark(contestant)

    def _mark(self, contestant: Contestant) -> None:
        """From now on it should do nothing."""
        if contestant.child is not None:
            window = self.windows.setdefault(contestant.name, _Window())
            window.ended, window.used = time.monotonic(), contestant.child.cpu_seconds()

    def rest(self, contestant: Contestant) -> None:
        """Wait until a contestant has done what it had put off: logs, for example.

        It belongs to the CPU time of its calls, and must not disturb the next contestant.
        """
        child = contestant.child
        if child is None:
            return
        used = child.cpu_seconds()
        deadline = time.monotonic() + REST
        step = max(REST_STEP, contestant.puts_off)
        while time.monotonic() < deadline:
            time.sleep(step)
            before, used = used, child.cpu_seconds()
            if used - before <= step / 20:
                return


def _reason(error: BenchError, child: Child | None) -> str:
    """The answer's first line, and the last error in the contestant's log."""
    status = re.search(r"HTTP/1\.1 [^\\]+", str(error))
    logged = re.findall(r"\w*Error: .*", child.last_words() if child else "")
    said = [status[0] if status else str(error)[:200], *logged[-1:]]
    return ", ".join(said)
