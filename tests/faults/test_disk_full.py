"""The disk is full: a call that cannot be recorded is not made, and what was made is not lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from counts import count
from doubles.disk import Disk, small_disk
from doubles.installation import ADMIN_KEY, Installation, running
from doubles.openai_upstream import OpenAIDouble
from doubles.tally import calling, client, opened, prepare
from paifang.core.db import Database

FULL = count(4, 20)
"""Seconds."""
VARIABLES = {
    "PAIFANG_GATEWAY_WELCOME": "false",
    "PAIFANG_GATEWAY_FLUSH_SECONDS": "0.1",
    "PAIFANG_DB_LOCK_TIMEOUT": "1",
}
SERVE = ("serve", "--only", "gateway")
SPARES = (0, 300, 100, 600)[: count(2, 4)]
"""Bytes left: for nothing, or for a part of a record."""
LONG = "chat:gap=0.1,pieces=10"
SLOW = "chat:delay=1"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Disk]:
    """The disk of the journal alone, if it may be mounted."""
    with small_disk(tmp_path / "home" / "journal") as disk:
        yield disk


@contextlib.asynccontextmanager
async def ledger(tmp_path: Path) -> AsyncIterator[tuple[Installation, Database]]:
    path = tmp_path / "ledger" / "paifang.db"
    path.parent.mkdir(exist_ok=True)
    installation = Installation(tmp_path, PAIFANG_DB_URL=f"sqlite:///{path}", **VARIABLES)
    async with opened(path) as database:
        yield installation, database


async def test_while_the_journal_has_no_room_no_call_is_made_and_then_all_goes_on(
    tmp_path: Path, double: OpenAIDouble, journal: Disk
) -> None:
    async with ledger(tmp_path) as (installation, database), client() as http:
        tally = await prepare(installation, double)
        async with running(installation, *SERVE) as up:
            await tally.for_seconds(0.5, up.url)
            assert tally.refused == {}
            journal.fill(up.process.pid)
            asked, answered = len(double.requests), len(tally.answered)
            async with calling(tally, up.url):
                await asyncio.sleep(FULL)
            assert set(tally.refused) == {"journal_full"}
            refused = tally.refused["journal_full"]
            assert refused > 20 * FULL / 4
            # The journal's last page may have had room for a few. Then one look a second is all
            # that is paid for: two clients call, and both may look at the same time.
            assert len(tally.answered) - answered <= 8
            paid = len(double.requests) - asked - (len(tally.answered) - answered)
            assert paid <= 2 * (FULL + 1)
            answer = await http.post(
                f"{up.url}/v1/chat/completions",
                json={"model": "chat", "messages": []},
                headers={"authorization": f"Bearer {tally.key}"},
            )
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            metrics = await http.get(
                f"{up.url}/metrics", headers={"authorization": f"Bearer {ADMIN_KEY}"}
            )
            assert "paifang_gateway_journal_full_total 0.0" not in metrics.text
            assert "the journal is full" in up.text
            journal.free(up.process.pid)
            async with asyncio.timeout(10):
                while await tally.call(up.url, http):  # noqa: ASYNC110 - another process decides
                    await asyncio.sleep(0.1)
            before = tally.refused.total()
            await tally.for_seconds(0.5, up.url)
            await tally.for_seconds(0.5, up.url, stream=True)
            assert tally.refused.total() == before
            await tally.stored(database)
            assert await up.terminate() == 0, up.text
        assert "Traceback" not in up.text, up.text
        await tally.check(database)


async def test_no_slow_call_is_paid_for_while_it_is_known_that_there_is_no_room(
    tmp_path: Path, double: OpenAIDouble, journal: Disk
) -> None:
    """Calls that last tell late that they found no room: nobody may wait for them to say so."""
    async with ledger(tmp_path) as (installation, database), client() as http:
        tally = await prepare(installation, double, models=["chat", SLOW])
        async with running(installation, *SERVE) as up:
            journal.fill(up.process.pid)
            while await tally.call(up.url, http) == "":  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0)
            paid = len(double.requests)
            end = asyncio.get_running_loop().time() + FULL
            over = lambda: asyncio.get_running_loop().time() > end  # noqa: E731 - in one place
            await asyncio.gather(*(tally.until(over, up.url, model=SLOW) for _ in range(10)))
            assert tally.refused["journal_full"] > 50
            assert len(double.requests) - paid <= 2, "all of them were withheld"
            journal.free(up.process.pid)
            await asyncio.sleep(1.2)
            assert await tally.call(up.url, http) == ""
            await tally.stored(database)


async def test_a_stream_whose_record_finds_no_room_does_not_end_well(
    tmp_path: Path, double: OpenAIDouble, journal: Disk
) -> None:
    """It has begun when the disk is full: its end is withheld, and an error stands in its place."""
    async with ledger(tmp_path) as (installation, database), client() as http:
        tally = await prepare(installation, double, models=["chat", LONG])
        async with running(installation, *SERVE) as up:
            assert await tally.call(up.url, http) == ""
            body = {"model": LONG, "stream": True}
            stream = asyncio.create_task(tally.call(up.url, http, **body))
            async with asyncio.timeout(20):
                await double.wait_for(2)
            journal.fill(up.process.pid)
            # What little may be left is taken by calls.
            while await tally.call(up.url, http) == "":  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0)
            assert await stream == "journal_full"
            journal.free(up.process.pid)
            await asyncio.sleep(1.2)
            assert await tally.call(up.url, http, model="chat") == ""
            await tally.stored(database)


async def test_killed_while_the_disk_was_full_it_has_lost_nothing(
    tmp_path: Path, double: OpenAIDouble, journal: Disk
) -> None:
    """The last record may be on the disk in part; the next start cuts it off."""
    async with ledger(tmp_path) as (installation, database):
        tally = await prepare(installation, double)
        for spare in SPARES:
            async with running(installation, *SERVE) as up:
                await tally.for_seconds(0.3, up.url)
                journal.fill(up.process.pid, spare)
                await tally.for_seconds(0.7, up.url)
                await up.kill()
                if journal.own:
                    journal.free(up.process.pid)
        async with running(installation, *SERVE) as up:
            await tally.for_seconds(0.3, up.url)
            await tally.stored(database)
        assert len(tally.answered) > 20
        assert set(tally.refused) == {"journal_full"}


async def test_while_the_database_has_no_room_the_journal_keeps_the_calls(
    tmp_path: Path, double: OpenAIDouble
) -> None:
    with small_disk(tmp_path / "ledger") as disk:
        async with ledger(tmp_path) as (installation, database), client() as http:
            tally = await prepare(installation, double)
            async with running(installation, *SERVE) as up:
                await tally.for_seconds(0.3, up.url)
                disk.fill(up.process.pid)
                async with calling(tally, up.url):
                    await asyncio.sleep(FULL)
                assert await _rejected(up.url, http) == 0
                if disk.own:
                    assert tally.refused == {}
                disk.free(up.process.pid)
                await asyncio.sleep(1.2)
                await tally.for_seconds(0.3, up.url)
                await tally.stored(database)
                assert await _rejected(up.url, http) == 0
                assert await up.terminate() == 0, up.text
            assert "Traceback" not in up.text, up.text


async def _rejected(url: str, http: httpx.AsyncClient) -> float:
    """Records put aside because no log could hold them."""
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    text = (await http.get(f"{url}/metrics", headers=headers)).text
    (line,) = (
        line for line in text.splitlines() if line.startswith("paifang_gateway_logs_rejected_total")
    )
    return float(line.rpartition(" ")[2])


def test_the_small_disk_is_really_small(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as disk:
        if not disk.own:
            return
        disk.fill(0)
        with pytest.raises(OSError, match="space"):
            (disk.folder / "more").write_bytes(b"x" * 8192)
        disk.free(0)
        (disk.folder / "more").write_bytes(b"x" * 8192)
