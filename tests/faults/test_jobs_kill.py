"""``kill -9`` at every point of a job's way: it starts once, and it ends."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, text

from paifang.core.db import Database

PROGRAM = Path(__file__).with_name("jobs_program.py")

on_both = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
async def empty_urls(database_url: URL, database_kind: str, tmp_path: Path):
    """Databases without the schema, for processes of their own."""
    names = [f"{database_url.database}_killed_{index}" for index in range(2)]
    if database_kind == "sqlite":
        yield [URL.create("sqlite", database=f"{tmp_path}/killed_{index}.db") for index in range(2)]
        return
    for name in names:
        await _server(database_url, f"create database {name}")
    yield [database_url.set(database=name) for name in names]
    for name in names:
        await _server(database_url, f"drop database {name} with (force)")


async def _server(url: URL, statement: str) -> None:
    server = Database(url)
    async with server.engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text(statement))
    await server.close()


async def tell(story: str, home: Path, *urls: URL, seconds: float = 90) -> list[dict[str, Any]]:
    """Run a story in processes of its own; what they found."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(PROGRAM), story, str(home)),
        *(url.render_as_string(hide_password=False) for url in urls),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # Its children are killed with it.
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-8000:]
    return [json.loads(line) for line in out.splitlines()]


def ran(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Which step of which job, once for each time it ran."""
    return [(label, step) for label, step, _pid, _attempt in found["marks"]]


@on_both
async def test_a_kill_between_any_two_steps_of_the_way_starts_the_job_once_and_it_ends(
    empty_urls: list[URL], tmp_path: Path
) -> None:
    handing_over, running = await tell("kill_points", tmp_path, *empty_urls)
    # "before commit" is not among them: what was not committed is not there.
    points = ["before delete", "before dispatch", "before start"]
    assert sorted(ran(handing_over)) == [(point, step) for point in points for step in "123"]
    assert handing_over["attempts"] == [1, 1, 1]
    points = ["after step 1", "after step 2", "after step 3"]
    assert sorted(ran(running)) == [(point, step) for point in points for step in "123"]
    assert min(running["attempts"]) == 2
    for found in (handing_over, running):
        assert (found["waiting"], found["states"]) == (0, ["done"] * 3)


@on_both
async def test_a_dead_workers_job_is_taken_over_by_one_of_two_others_and_finished_steps_stay(
    empty_urls: list[URL], tmp_path: Path
) -> None:
    (found,) = await tell("take_over", tmp_path, empty_urls[0])
    steps = [(label, step, attempt) for label, step, _pid, attempt in found["marks"]]
    assert steps == [("long", "1", 1), ("long", "2", 2), ("long", "3", 2)]
    one, two, three = (pid for _label, _step, pid, _attempt in found["marks"])
    assert one == found["first"]
    assert two == three
    assert two in found["others"]
    # The second step took longer than a worker may be silent: nobody resumed the live job.
    assert found["attempts"] == [["lost", "resumed"]]


@on_sqlite
async def test_a_job_that_kills_its_worker_is_given_up_after_the_last_attempt(
    empty_urls: list[URL], tmp_path: Path
) -> None:
    (found,) = await tell("give_up", tmp_path, empty_urls[0])
    assert [attempt for _label, _step, _pid, attempt in found["marks"]] == [1, 2, 3]
    assert (found["state"], found["attempts"]) == ("given_up", 3)


@pytest.mark.long
@pytest.mark.timeout(200)
@on_both
async def test_kills_at_random_moments_lose_no_job_and_start_none_twice(
    empty_urls: list[URL], tmp_path: Path
) -> None:
    (found,) = await tell("random_kills", tmp_path, empty_urls[0], seconds=180)
    times = Counter(ran(found))
    assert times.keys() == {
        (f"{r}.{i}", step) for r in range(15) for i in range(4) for step in "123"
    }
    # Only a step that was under way at a kill may have run again, once per attempt.
    attempts = sum(found["attempts"]) - len(found["attempts"])
    assert times.total() - len(times) <= attempts
    assert (found["waiting"], set(found["states"])) == (0, {"done"})
