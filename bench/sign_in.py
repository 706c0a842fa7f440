"""What it costs to sign in, to renew a session, and to be known in a request.

Paifang's console as it ships, one process on one core. Each client is another person with a
browser that it has used before: the cookies of the last sign-in come along.
"""

import asyncio
import contextlib
import os
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from process import HERE, PROXY_CPU, Child, free_port, python, wait_for
from results import Results
from sqlalchemy import insert

from paifang import migrate
from paifang.app import open_runtime
from paifang.core.db import utc_now
from paifang.core.ids import uuid7
from paifang.core.settings import load
from paifang.modules.accounts.passwords.hashing import Hasher
from paifang.modules.accounts.settings import AccountsSettings
from paifang.modules.accounts.users.models import User
from paifang.registry import MODULES, settings_areas

SIGN_IN, REFRESH, KNOWN, UNKNOWN = "sign in", "renew", "who am I", "who may come in"
PASSWORD = "a password of the benchmark alone"  # nobody else's
CLIENTS = 8
"""As many as come from one address without a proof of work."""


def environment(home: Path) -> dict[str, str]:
    """Paifang's own, whatever the shell holds."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PAIFANG_")}
    ours = {"PAIFANG_ENV": "production", "PAIFANG_HOME": str(home), "PYTHONPATH": str(HERE.parent)}
    return {**kept, **ours}


async def seed(home: Path) -> float:
    """People who may sign in; returns seconds of CPU that argon2id takes for one password."""
    settings = load(settings_areas(MODULES), environ=environment(home), folder=home)
    runtime = open_runtime(settings, roles=frozenset({"console"}))
    hasher = Hasher(settings.area(AccountsSettings))
    await migrate.upgrade(runtime.db, backups=home / "backups", say=lambda _line: None)
    stored = await hasher.hash(PASSWORD)
    taken = []
    for _ in range(9):
        before = time.process_time()
        await hasher.verify(stored, PASSWORD)
        taken.append(time.process_time() - before)
    rows = [
        {
            "id": uuid7(),
            "email": address(number),
            "display_name": f"Reader {number}",
            "status": "active",
            "password_hash": stored,
            "email_verified_at": utc_now(),
        }
        for number in range(CLIENTS)
    ]
    async with runtime.db.engine.begin() as connection:
        await connection.execute(insert(User), rows)
    hasher.close()
    await runtime.db.close()
    return statistics.median(taken)


def address(number: int) -> str:
    """A person's."""
    return f"reader{number}@example.org"


class Browser:
    """One person's."""

    def __init__(self, port: int, number: int) -> None:
        self.email = address(number)
        self.bearer = ""
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/api/v1", headers={"sec-fetch-site": "same-origin"}
        )

    async def sign_in(self) -> None:
        """By password."""
        body = {"email": self.email, "password": PASSWORD}
        self._in(await self.client.post("/auth/sign-in", json=body))

    async def renew(self) -> None:
        """Another access token, and another refresh token in the cookie."""
        self._in(await self.client.post("/auth/refresh", json={}))

    async def who_am_i(self) -> None:
        """A call of somebody who is signed in."""
        answer = await self.client.get(
            "/account", headers={"authorization": f"Bearer {self.bearer}"}
        )
        answer.raise_for_status()

    async def who_may_come_in(self) -> None:
        """A call of anybody."""
        (await self.client.get("/auth/policy")).raise_for_status()

    def _in(self, answer: httpx.Response) -> None:
        self.bearer = answer.raise_for_status().json()["access_token"]


ACTS: dict[str, Callable[[Browser], Awaitable[None]]] = {
    SIGN_IN: Browser.sign_in,
    REFRESH: Browser.renew,
    KNOWN: Browser.who_am_i,
    UNKNOWN: Browser.who_may_come_in,
}


async def _turn(
    act: Callable[[Browser], Awaitable[None]], browsers: list[Browser], seconds: float
) -> list[float]:
    """How long each call took, in seconds."""
    until = time.monotonic() + seconds

    async def go(browser: Browser) -> list[float]:
        times = []
        while (began := time.monotonic()) < until:
            await act(browser)
            times.append(time.monotonic() - began)
        return times

    return [t for times in await asyncio.gather(*map(go, browsers)) for t in times]


async def _rounds(
    results: Results, child: Child, port: int, *, rounds: int, seconds: float
) -> None:
    browsers = [Browser(port, number) for number in range(CLIENTS)]
    for browser in browsers:
        await browser.sign_in()
        await browser.renew()
    for round_ in range(rounds):
        for name, act in ACTS.items():
            alone = await _turn(act, browsers[:1], seconds / 2)
            before = child.cpu_seconds()
            together = await _turn(act, browsers, seconds)
            used = child.cpu_seconds() - before
            results.put(name, "sign in", "cpu", round_, 1000 * used / len(together))
            results.put(name, "sign in", "rate", round_, len(together) / seconds)
            results.put(name, "sign in", "alone", round_, 1000 * statistics.median(alone))
            results.put(name, "sign in", "p50", round_, 1000 * statistics.median(together))
    for browser in browsers:
        await browser.client.aclose()


def measure(results: Results, folder: Path, *, rounds: int, seconds: float) -> None:
    """Ask for all four in turn.

    Args:
        results: Gets ``cpu`` (milliseconds of the server's CPU for a call), ``rate`` (calls per
            second over :data:`CLIENTS` connections), ``p50`` (milliseconds then) and ``alone``
            (milliseconds over one), by round, in the scenario ``sign in``; and of ``argon2id`` the
            ``cpu`` of one hash.
        folder: An empty one.
        rounds: How often each has its turn.
        seconds: Of a turn.
    """
    home = folder / "home"
    home.mkdir(mode=0o700)
    results.put("argon2id", "sign in", "cpu", 0, 1000 * asyncio.run(seed(home)))
    port = free_port()
    env = {**environment(home), "PAIFANG_PORT": str(port)}
    command = python("-m", "paifang", "serve", "--only", "console")
    child = Child(command, cpu=PROXY_CPU, log=folder / "console.log", env=env)
    with contextlib.ExitStack() as stack:
        stack.callback(child.stop)
        wait_for(port, child, "/readyz")
        asyncio.run(_rounds(results, child, port, rounds=rounds, seconds=seconds))


def first_load() -> str:
    """What the web app's first pages load, as its build says; raises when it is too much."""
    budget = HERE.parent / "frontend" / "scripts" / "budget.mjs"
    done = subprocess.run(["node", budget], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
