"""The wall clock is set, forwards and back: limits do not care, expiry does, nothing is lost."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from doubles.installation import Running, api, made, running
from doubles.openai_answers import Behaviour
from doubles.openai_upstream import OpenAIDouble
from doubles.stepped_clock import Clock, SteppedInstallation
from doubles.tally import Tally, calling, client, opened, prepare
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.relay import credential

HOUR, DAY, YEAR = 3600.0, 86_400.0, 31_557_600.0
STEPS = [HOUR, -HOUR, 0.5, -0.5, DAY, -DAY, 10 * YEAR, 0]
"""What the clock is wrong by, one after the other. Prices and tokens were made at 0."""
LONG = "chat:gap=0.1,pieces=20"
SECRET = "the secret key of the tests, long enough to sign with"


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def installation(tmp_path: Path, clock: Clock) -> SteppedInstallation:
    return SteppedInstallation(
        tmp_path,
        clock,
        PAIFANG_DB_URL=f"sqlite:///{tmp_path / 'paifang.db'}",
        PAIFANG_GATEWAY_WELCOME="false",
        PAIFANG_GATEWAY_FLUSH_SECONDS="0.1",
        PAIFANG_SECRET_KEY=SECRET,
    )


async def _token(up: Running, **fields: object) -> Tally:
    async with api(up.url) as admin:
        values = {"group_id": "team", "name": f"t{time.monotonic_ns()}", **fields}
        return Tally((await made(admin, "/tokens", values))["key"])


async def test_calls_go_on_and_each_has_a_number_and_a_record_of_its_own(
    tmp_path: Path, installation: SteppedInstallation, clock: Clock, double: OpenAIDouble
) -> None:
    tally = await prepare(installation, double)
    async with running(installation, "serve", "--only", "gateway") as up:
        async with calling(tally, up.url):
            for step in STEPS:
                before = len(tally.answered)
                clock.step(step)
                async with asyncio.timeout(20):
                    while len(tally.answered) < before + 10:  # noqa: ASYNC110 - other tasks call
                        await asyncio.sleep(0.05)
        assert tally.refused == {}
        numbers = set(tally.answered.values())
        assert len(numbers) == len(tally.answered)
        assert {UUID(number).version for number in numbers} == {7}
        async with opened(tmp_path / "paifang.db") as database:
            await _all_stored(tally, database)
            async with database.reading() as session:
                logs = list(await session.scalars(select(Log)))
        assert {log.request_id for log in logs} == numbers
        assert all(log.duration_ms < 60_000 for log in logs), "durations are no differences of it"
        assert min(log.duration_ms for log in logs) >= 0
        now = datetime.now(UTC)
        years = {round((log.started_at - now) / timedelta(days=365.25)) for log in logs}
        assert years == {0, 10}, "a record's time is the wall clock's"
        assert await up.terminate() == 0, up.text
    assert "Traceback" not in up.text, up.text


async def _all_stored(tally: Tally, database: object) -> None:
    async with asyncio.timeout(20):
        while True:
            async with database.reading() as session:  # type: ignore[attr-defined]  # a Database
                stored = set(await session.scalars(select(Log.request_id)))
            if stored >= set(tally.answered.values()):
                return
            await asyncio.sleep(0.1)


async def test_a_rate_neither_opens_nor_jams(
    installation: SteppedInstallation, clock: Clock, double: OpenAIDouble
) -> None:
    await prepare(installation, double)
    async with running(installation) as up, client() as http:
        for step in (HOUR, -HOUR, 10 * YEAR):
            clock.step(0)
            limited = await _token(up, rpm=60)  # one more every second
            while await limited.call(up.url, http) == "":  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0)
            assert 60 <= len(limited.answered) <= 75
            clock.step(step)
            open_calls = 0
            for _ in range(20):
                answer = await _ask(up, http, limited.key)
                open_calls += answer.status_code == 200
            assert open_calls <= 10, "a second's worth now and then, and no more"
            assert answer.status_code in {200, 429}
            if answer.status_code == 429:
                assert 1 <= int(answer.headers["retry-after"]) <= 60
                assert answer.json()["error"]["code"] == "rate_limit_exceeded"
            async with asyncio.timeout(10):
                while await limited.call(up.url, http):  # noqa: ASYNC110 - another process decides
                    await asyncio.sleep(0.2)


async def test_a_slot_is_given_back_and_a_stream_goes_on(
    installation: SteppedInstallation, clock: Clock, double: OpenAIDouble
) -> None:
    await prepare(installation, double, models=["chat", LONG])
    async with running(installation) as up, client() as http:
        one = await _token(up, concurrency=1)
        for number, step in enumerate((DAY, -DAY)):
            stream = asyncio.create_task(one.call(up.url, http, model=LONG, stream=True))
            async with asyncio.timeout(20):
                await double.wait_for(2 * number + 1)
            clock.step(step)
            assert await one.call(up.url, http) == "rate_limit_exceeded"
            assert await stream == ""
            assert await one.call(up.url, http) == ""
            clock.step(0)


async def test_a_channel_rests_as_long_as_it_asked_for_and_no_longer(
    installation: SteppedInstallation, clock: Clock, double: OpenAIDouble
) -> None:
    tally = await prepare(installation, double)
    async with running(installation) as up, client() as http:
        for step in (HOUR, -HOUR):
            clock.step(0)
            double.script.append(Behaviour(status=429, retry_after="3"))
            assert await tally.call(up.url, http) == "upstream_rate_limited"
            asked = len(double.requests)
            clock.step(step)
            answer = await _ask(up, http, tally.key)
            assert answer.status_code in {429, 503}
            assert 1 <= int(answer.headers["retry-after"]) <= 3
            assert len(double.requests) == asked, "it was asked while it rests"
            async with asyncio.timeout(10):
                while await tally.call(up.url, http):  # noqa: ASYNC110 - another process decides
                    await asyncio.sleep(0.2)


async def test_a_key_expires_by_the_wall_clock(
    installation: SteppedInstallation, clock: Clock, double: OpenAIDouble
) -> None:
    await prepare(installation, double)
    async with running(installation) as up, client() as http:
        expires = datetime.now(UTC) + timedelta(hours=1)
        token = await _token(up, expires_at=expires.isoformat())
        for step, code in (
            (0, ""),
            (HOUR - 60, ""),
            (HOUR + 60, "invalid_api_key"),
            (10 * YEAR, "invalid_api_key"),
            (-DAY, ""),
            (0, ""),
        ):
            clock.step(step)
            assert await token.call(up.url, http) == code, step


async def test_an_internal_credential_holds_by_the_wall_clock(
    installation: SteppedInstallation, clock: Clock, double: OpenAIDouble
) -> None:
    await prepare(installation, double)
    lives = credential.LIFETIME + credential.SKEW
    async with running(installation) as up, client() as http:
        for step, code in (
            (0, ""),
            (lives - 15, ""),
            (lives + 15, "invalid_api_key"),
            (-credential.SKEW - 15, "invalid_api_key"),
            (0, ""),
        ):
            clock.step(step)
            bearer = credential.make(SECRET.encode(), "team", "person", "chat", time.time())
            assert await Tally(bearer).call(up.url, http) == code, step


async def test_what_changes_is_seen_whatever_the_clock_says(
    installation: SteppedInstallation, clock: Clock, double: OpenAIDouble
) -> None:
    await prepare(installation, double)
    async with running(installation) as up, client() as http, api(up.url) as admin:
        for step in (DAY, -DAY, 0):
            clock.step(step)
            token = await made(
                admin, "/tokens", {"group_id": "team", "name": f"t{time.monotonic_ns()}"}
            )
            tally = Tally(token["key"])
            assert await tally.call(up.url, http) == ""
            await made(admin, f"/tokens/{token['id']}/revoke", {})
            assert await tally.call(up.url, http) == "invalid_api_key"
            assert (await http.get(f"{up.url}/readyz")).status_code == 200


async def test_killed_in_the_past_it_stores_its_calls_in_the_future(
    tmp_path: Path, installation: SteppedInstallation, clock: Clock, double: OpenAIDouble
) -> None:
    """The journal's files are named by the time."""
    tally = await prepare(installation, double)
    for step in (DAY, -DAY, 0):
        clock.step(step)
        async with running(installation, "serve", "--only", "gateway") as up:
            await tally.for_seconds(0.3, up.url)
            clock.step(-step)
            await tally.for_seconds(0.3, up.url)
            await up.kill()
    clock.step(-HOUR)
    async with (
        running(installation, "serve", "--only", "gateway") as up,
        opened(tmp_path / "paifang.db") as database,
    ):
        await _all_stored(tally, database)
        assert await up.terminate() == 0, up.text
        async with database.reading() as session:
            numbers = list(await session.scalars(select(Log.request_id)))
        assert sorted(numbers) == sorted(tally.answered.values())
    assert not list((tmp_path / "home" / "journal").glob("*.journal"))


async def _ask(up: Running, http: httpx.AsyncClient, key: str) -> httpx.Response:
    return await http.post(
        f"{up.url}/v1/chat/completions",
        json={"model": "chat", "messages": [{"role": "user", "content": "one two three"}]},
        headers={"authorization": f"Bearer {key}"},
    )
