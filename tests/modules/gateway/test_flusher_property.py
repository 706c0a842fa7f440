"""Whatever comes between: each call is in the ledger once, and the counters are its sums."""

import asyncio
import itertools
import os
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from counts import count
from paifang.core.db import Database
from paifang.core.ids import uuid7
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.logs import flusher as module
from paifang.modules.gateway.logs.flusher import Flusher
from paifang.modules.gateway.logs.models import JournalPosition, Log
from paifang.modules.gateway.relay.journal import Journal
from paifang.modules.gateway.relay.record import Record
from paifang.modules.gateway.tokens.models import Token

WRITERS = (0, 1)
OWNERS = 2
"""Groups, tokens and channels that the calls are spread over."""

writer = st.sampled_from(WRITERS)
calls = st.lists(
    st.tuples(
        st.integers(0, OWNERS - 1),
        st.one_of(st.none(), st.integers(0, 10**12)),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), writer, calls),
        st.tuples(st.just("again"), writer, st.integers(0, 50)),
        st.tuples(st.just("flush"), writer),
        st.tuples(st.just("flush both")),
        st.tuples(
            st.just("fail"), writer, st.one_of(st.just(99), st.integers(0, 12)), st.booleans()
        ),
        st.tuples(st.just("cancel"), writer, st.integers(0, 20)),
        st.tuples(st.just("crash"), writer),
        st.tuples(st.just("rotate"), writer),
    ),
    max_size=14,
)

_numbers = itertools.count(1)


class World:
    """Two processes on one folder, that can be killed, and what ought to be in the database."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db = db
        self.folder = folder
        self.groups = [uuid4().hex for _ in range(OWNERS)]
        self.tokens = [uuid7() for _ in range(OWNERS)]
        self.channels = [uuid7() for _ in range(OWNERS)]
        self.records: list[Record] = []
        self.journals: list[Journal] = []
        self.flushers: list[Flusher] = []
        for _ in WRITERS:
            self.journals.append(Journal(folder, segment_bytes=4000))
            self.flushers.append(Flusher(db, folder, self.journals[-1]))

    async def begin(self) -> None:
        async with self.db.transaction() as session:
            session.add_all(Group(id=group) for group in self.groups)
            await session.flush()
            for group, token, channel in zip(self.groups, self.tokens, self.channels, strict=True):
                number = next(_numbers)
                session.add(
                    Token(
                        id=token,
                        number=number,
                        group_id=group,
                        name="key",
                        digest=token.hex,
                        prefix="pf",
                        last_four="abcd",
                        created_by="test",
                    )
                )
                session.add(
                    Channel(
                        id=channel,
                        number=number,
                        name=channel.hex,
                        provider="openai",
                        base_url="http://127.0.0.1:9/v1",
                    )
                )

    def append(self, who: int, calls: list[tuple[int, int | None, bool]]) -> None:
        for owner, cost, routed in calls:
            record = Record(
                request_id=uuid7().hex,
                started_at=1_770_000_000.0 + len(self.records),
                group_id=self.groups[owner],
                model="m",
                endpoint="/v1/chat/completions",
                token_id=str(self.tokens[owner]),
                channel_id=str(self.channels[owner]) if routed else None,
                cost=cost,
            )
            self.records.append(record)
            self.journals[who].append(record.to_bytes())

    def again(self, who: int, which: int) -> None:
        """The same record a second time, as a repair after a crash may leave it."""
        if self.records:
            record = self.records[which % len(self.records)]
            self.journals[who].append(record.to_bytes())

    async def fail(self, who: int, statement: int, *, after: bool) -> None:
        """Flush, and lose the connection at the so-many-th statement; at last, at the COMMIT."""
        engine = self.db.engine.sync_engine
        lost = OperationalError("lost", None, Exception("the connection is lost"))
        seen = 0

        def execute(*_: object) -> None:
            nonlocal seen
            seen += 1
            if seen > statement:
                raise lost

        commit = engine.dialect.do_commit

        def do_commit(connection: object) -> None:
            if after:
                commit(connection)  # type: ignore[arg-type]  # passed on as it came
            else:
                engine.dialect.do_rollback(connection)  # type: ignore[arg-type]  # the same
            raise lost

        event.listen(engine, "before_cursor_execute", execute)
        engine.dialect.do_commit = do_commit  # type: ignore[method-assign]  # for this flush
        try:
            await self.flushers[who].flush()
        except OperationalError:
            pass
        finally:
            del engine.dialect.do_commit
            event.remove(engine, "before_cursor_execute", execute)

    async def cancel(self, who: int, turns: int) -> None:
        """Flush, and cancel that after some turns of the event loop."""
        task = asyncio.create_task(self.flushers[who].flush())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    def crash(self, who: int) -> None:
        """The process is killed, and another one started."""
        os.close(self.journals[who]._fd)
        self.journals[who] = Journal(self.folder, segment_bytes=4000)
        self.flushers[who] = Flusher(self.db, self.folder, self.journals[who])

    async def step(self, name: str, *arguments: object) -> None:
        match name, arguments:
            case "append", (int(who), list(calls)):
                self.append(who, calls)
            case "again", (int(who), int(which)):
                self.again(who, which)
            case "flush", (int(who),):
                await self.flushers[who].flush()
            case "flush both", ():
                await asyncio.gather(*(flusher.flush() for flusher in self.flushers))
            case "fail", (int(who), int(statement), bool(after)):
                await self.fail(who, statement, after=after)
            case "cancel", (int(who), int(turns)):
                await self.cancel(who, turns)
            case "crash", (int(who),):
                self.crash(who)
            case "rotate", (int(who),):
                self.journals[who].rotate()
            case unknown:
                raise AssertionError(unknown)

    async def end(self) -> None:
        for journal in self.journals:
            journal.close()
        await Flusher(self.db, self.folder, None).flush()

    async def check(self) -> None:
        async with self.db.reading() as session:
            logged = sorted(
                await session.scalars(select(Log.request_id).where(Log.group_id.in_(self.groups)))
            )
            assert logged == sorted(record.request_id for record in self.records)
            for owner in range(OWNERS):
                group = await session.get_one(Group, self.groups[owner])
                token = await session.get_one(Token, self.tokens[owner])
                channel = await session.get_one(Channel, self.channels[owner])
                self._agree(group, "group_id", group.id)
                self._agree(token, "token_id", token.id)
                self._agree(channel, "channel_id", channel.id)
                times = [r.started_at for r in self.records if r.group_id == group.id]
                for last in (group.last_used_at, token.last_used_at):
                    assert (last.timestamp() if last else None) == (max(times) if times else None)
            assert list(await session.scalars(select(JournalPosition.segment))) == []
        assert list(self.folder.iterdir()) == []

    def _agree(self, row: Group | Token | Channel, field: str, key: str | UUID) -> None:
        mine = [record for record in self.records if getattr(record, field) == str(key)]
        assert row.requests == len(mine), field
        assert row.used == sum(record.cost or 0 for record in mine), field


@given(story=steps)
@settings(max_examples=count(40, 1000), suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_each_call_is_logged_and_counted_exactly_once(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: list[tuple[object, ...]]
) -> None:
    monkeypatch.setattr(module, "BATCH", 5)  # many batches from few calls
    world = World(db, tmp_path / uuid4().hex)
    await world.begin()
    for name, *arguments in story:
        await world.step(str(name), *arguments)
    await world.end()
    await world.check()
