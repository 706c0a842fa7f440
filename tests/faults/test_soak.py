"""The soak: under a mixed load memory stays flat, the log quiet, and the ledger exact.

Two minutes in ``make test``, an hour in ``make test-long``.
"""

import asyncio
import json
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import URL

from counts import count
from doubles.installation import ADMIN_KEY, Installation, Running, api, made, running
from doubles.programs import Program, program
from doubles.soak_ledger import Ledger, last
from doubles.soak_load import Plan
from doubles.soak_mix import CHANNELS, GROUPS, KINDS, MODELS, PROMPT, TOKENS, UNPRICED, Seen
from paifang.core.db import Database

SECONDS = count(120, 3600)
WARM_UP = 0.25
"""Share of the time after which everything has been loaded, pooled and cached once."""
MAX_GROWTH = {"rss": 6 * 1024 * 1024, "descriptors": 32, "threads": 4}
"""What a process may hold more at the end than after the warm-up. Six megabytes are 450 bytes a
call in two minutes, and 15 in an hour."""
MAX_MORE = 8
"""Descriptors and threads that a process may hold at rest beyond those before its first call."""
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""What glibc begins with. Left alone it raises both with the first large body, and from then on
keeps in the heap, in pieces, what has long been freed: resident memory follows the highest tide,
and says nothing about what is held."""
SETTLED = 20.0
"""Seconds after the load in which everything must have come to rest."""
IDLE_UPSTREAMS = 64
"""Connections to the double that may rest: no more calls are ever in flight."""

EXPECTED = {
    "limited says 429": r"channel limited failed call \w{32}: upstream_rate_limited \(.*\)",
    "first says 500": r"channel first failed call \w{32}: double \(.*\)",
    "first breaks off": r"channel first failed call \w{32}: upstream_reset \(.*\)",
    "second says 500": r"channel second failed call \w{32}: double \(.*\)",
    "a stream breaks off": r"stream of call \w{32} broke off: .*",
}
"""Warnings that the mix provokes, and no other. Each must occur."""


@dataclass
class Sample:
    """One look at the gateway's process."""

    rss: int
    descriptors: int
    threads: int


class Watch:
    """Looks at a process each second."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.samples: list[Sample] = []

    def look(self) -> Sample:
        with self.process.oneshot():
            return Sample(
                rss=self.process.memory_info().rss,
                descriptors=self.process.num_fds(),
                threads=self.process.num_threads(),
            )

    async def run(self) -> None:
        while True:
            self.samples.append(self.look())
            await asyncio.sleep(1)

    def connections(self, port: int) -> tuple[int, int]:
        """Open ones: of clients, and to upstreams."""
        open_now = [c for c in self.process.net_connections("tcp") if c.status == "ESTABLISHED"]
        clients = sum(c.laddr.port == port for c in open_now)
        return clients, len(open_now) - clients


async def _prepare(client: httpx.AsyncClient, upstream: str) -> tuple[dict[str, str], str]:
    """Everything in the tables; the tokens' keys by name, and the spender's id."""
    for name, channel in CHANNELS.items():
        mapping = channel["models"]
        body: dict[str, Any] = {"name": name, "provider": "openai", "base_url": upstream}
        body |= {"models": list(mapping), "model_mapping": mapping}
        await made(client, "/channels", body | {"priority": channel["priority"]})
    for model in MODELS:
        if model != UNPRICED:
            await made(client, "/prices", {"model": model, "input": "1", "output": "2"})
    for name, limits in GROUPS.items():
        await made(client, "/groups", {"id": name, **limits})
    tokens = {
        name: await made(client, "/tokens", {"name": name, **fields})
        for name, fields in TOKENS.items()
    }
    return {name: token["key"] for name, token in tokens.items()}, tokens["spender"]["id"]


@pytest.mark.timeout(SECONDS * 2 + 600)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_under_a_lasting_mixed_load_nothing_grows_nothing_warns_and_the_ledger_is_exact(
    tmp_path: Path, empty_database_url: URL
) -> None:
    url = empty_database_url.render_as_string(hide_password=False)
    installation = Installation(tmp_path, PAIFANG_DB_URL=url, PAIFANG_GATEWAY_WELCOME="false")
    status, output = await installation.command("migrate")
    assert status == 0, output
    async with (
        program("soak_upstream") as upstream,
        running(installation, "serve", "--only", "console") as console,
        api(console.url) as client,
        running(installation, "serve", "--only", "gateway", **ALLOCATOR) as gateway,
    ):
        keys, spender = await _prepare(client, (await upstream.hear())["url"])
        await _knows(gateway.url, keys)
        printed, counted = len(gateway.output), await _metrics(gateway.url)
        plan = Plan(
            seconds=SECONDS,
            port=_port(gateway.url),
            console=_port(console.url),
            admin_key=ADMIN_KEY,
            keys=keys,
            spender=spender,
            file=str(tmp_path / "seen.jsonl"),
        )
        watch = Watch(gateway.process.pid)
        resting = watch.look()
        found = await _load(plan, watch)
        assert found["wrong"] == []
        await _at_rest(gateway, upstream, watch, resting)
        ledger = Ledger(Path(plan.file), await upstream.ask("left"))
        ledger.add(*await _last_calls(client, gateway.url, keys, spender))
        asked = (await upstream.ask("report"))["calls"]
        counted = _more(await _metrics(gateway.url), counted)
        assert await gateway.terminate() == 0, gateway.text
    await _check_ledger(Database(empty_database_url), ledger, counted)
    gone = sum(number for (_, ending), number in ledger.endings.items() if ending == "left")
    assert ledger.attempts - gone <= asked <= ledger.attempts, "no call was sent twice"
    _check_log(gateway.output[printed:])
    _check_memory(watch.samples)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


async def _knows(url: str, keys: dict[str, str]) -> None:
    """Wait until the gateway has heard of every token and of the channels."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http, asyncio.timeout(30):
        for key in keys.values():
            headers = {"Authorization": f"Bearer {key}"}
            while True:
                answer = await http.get("/v1/models", headers=headers)
                if answer.status_code == 200 and len(answer.json()["data"]) == len(MODELS):
                    break
                await asyncio.sleep(0.05)


async def _load(plan: Plan, watch: Watch) -> dict[str, Any]:
    async with program("soak_load") as load:
        watching = asyncio.create_task(watch.run())
        try:
            return await load.ask(json.dumps(asdict(plan)))
        finally:
            watching.cancel()


async def _at_rest(gateway: Running, upstream: Program, watch: Watch, resting: Sample) -> None:
    """After the load: no call, no client, upstreams idle only, as many descriptors as before."""
    deadline = time.monotonic() + SETTLED
    while True:
        counted = await _metrics(gateway.url)
        state = await upstream.ask("report")
        clients, upstreams = watch.connections(_port(gateway.url))
        now = watch.look()
        facts = {
            "calls in flight": counted["paifang_gateway_calls_in_flight"],
            "calls at the upstream": state["busy"],
            "connections of clients": clients,
            "connections to the upstream beyond its own": abs(upstreams - state["connections"]),
            "too many connections to the upstream": max(0, upstreams - IDLE_UPSTREAMS),
            "descriptors more": max(
                0, now.descriptors - upstreams - resting.descriptors - MAX_MORE
            ),
            "threads more": max(0, now.threads - resting.threads - MAX_MORE),
        }
        amiss = {fact: number for fact, number in facts.items() if number}
        if not amiss:
            return
        assert time.monotonic() < deadline, amiss
        await asyncio.sleep(0.2)


async def _last_calls(
    client: httpx.AsyncClient, url: str, keys: dict[str, str], spender: str
) -> list[Seen]:
    """Calls that pass only if no slot is taken and nothing of a quota is held."""
    calls: list[Seen] = []
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:

        async def call(token: str) -> httpx.Response:
            name = f"last-{len(calls)}"
            body = {"model": "short", "messages": [{"role": "user", "content": PROMPT}]}
            headers = {"Authorization": f"Bearer {keys[token]}", "User-Agent": name}
            answer = await http.post("/v1/chat/completions", json=body, headers=headers)
            code = "" if answer.is_success else answer.json()["error"]["code"]
            request_id = answer.headers["x-request-id"]
            calls.append(last(name, token, answer.status_code, request_id, code))
            return answer

        answer = await call("single")
        assert answer.status_code == 200, answer.text
        assert '"key-concurrency";r=0' in answer.headers["ratelimit"]
        free = GROUPS["writers"]["concurrency"] - 1
        assert f'"group-concurrency";r={free};' in answer.headers["ratelimit"] + ";"

        # Nothing is left, then a single nano: if one were held, that would be nothing, too.
        for more, status in ((0, 429), (1, 200)):
            quota = f"{(await _used(client, spender) + more) / 1e9:.9f}"
            assert (await client.patch(f"/tokens/{spender}", json={"quota": quota})).is_success
            async with asyncio.timeout(30):
                while (await call("spender")).status_code != status:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.1)
    return calls


async def _used(client: httpx.AsyncClient, token: str) -> int:
    """Nanos it has spent, when everything has reached the database."""
    found = -1
    while True:
        token_now = (await client.get(f"/tokens/{token}")).json()
        now = round(float(token_now["used"]) * 1e9)
        if now == found:
            return now
        found = now
        await asyncio.sleep(1.5)


async def _metrics(url: str) -> dict[str, float]:
    """The gateway's counters; those with labels are summed up."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        text = (await http.get("/metrics", headers={"Authorization": f"Bearer {ADMIN_KEY}"})).text
    found: dict[str, float] = defaultdict(float)
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name.partition("{")[0]] += float(value)
    return found


def _more(now: dict[str, float], then: dict[str, float]) -> dict[str, float]:
    return {name: value - then.get(name, 0.0) for name, value in now.items()}


def _check_memory(samples: list[Sample]) -> None:
    """Neither grows: judged by the ebb in each tenth of the time, which no swarm of calls lifts."""
    rest = samples[int(len(samples) * WARM_UP) :]
    size = len(rest) // 10
    tenths = [rest[start : start + size] for start in range(0, size * 10, size)]
    for what, most in MAX_GROWTH.items():
        ebbs = [min(getattr(sample, what) for sample in tenth) for tenth in tenths]
        risen = statistics.median(ebbs[-3:]) - statistics.median(ebbs[:3])
        grown = max(risen, _slope(ebbs) * (len(ebbs) - 1))
        assert grown < most, (what, ebbs)


def _slope(values: Sequence[float]) -> float:
    """Theil and Sen's: the median of the slopes between all pairs."""
    pairs = combinations(enumerate(values), 2)
    return statistics.median((b - a) / (j - i) for (i, a), (j, b) in pairs)


def _check_log(lines: list[str]) -> None:
    """Warnings are those that the mix provokes, all of them; nothing but log lines was printed."""
    found: Counter[str] = Counter()
    strange: list[str] = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            strange.append(line)
            continue
        if entry["level"] in {"DEBUG", "INFO"}:
            continue
        kinds = [k for k, what in EXPECTED.items() if re.fullmatch(what, entry["message"])]
        if entry["level"] != "WARNING" or "exception" in entry or not kinds:
            strange.append(line)
        found.update(kinds)
    assert strange == []
    assert all(found[kind] > SECONDS / 20 for kind in EXPECTED), found


async def _check_ledger(db: Database, ledger: Ledger, counted: dict[str, float]) -> None:
    try:
        complaints = await ledger.complaints(db)
    finally:
        await db.close()
    assert complaints[:10] == [], f"and {len(complaints)} in all"

    assert counted["paifang_gateway_calls_total"] == ledger.logs
    assert counted["paifang_gateway_unauthenticated_total"] == ledger.unauthenticated
    assert counted["paifang_gateway_logs_rejected_total"] == 0
    assert counted["paifang_gateway_journal_full_total"] == 0

    # The mix was one.
    rare = {
        (name, ending): ledger.endings[name, ending]
        for name, kind in KINDS.items()
        for ending in kind.endings
        if name != "last" and ledger.endings[name, ending] < max(3, kind.rate * SECONDS / 20)
    }
    assert rare == {}
    assert ledger.outcomes["leave-stream", "client_gone"] > SECONDS
    assert len(ledger.left) > SECONDS, "and their upstreams were let go of"
