"""Calls as the relay records them, who they are counted for, and ways for storing them to fail."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from paifang.core.db import Database
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.relay.journal import Journal
from paifang.modules.gateway.relay.record import Record
from paifang.modules.gateway.tokens.models import Token

GROUP = "readers"
TOKEN = UUID(int=1)
CHANNEL = UUID(int=2)
START = datetime(2026, 3, 4, 12, tzinfo=UTC)
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def call(request_id: str, **changes: Any) -> Record:
    """A call that costs 7 nanos."""
    record = Record(
        request_id=request_id,
        started_at=START.timestamp(),
        group_id=GROUP,
        model="m",
        endpoint="/v1/chat/completions",
        status=200,
        token_id=str(TOKEN),
        token_name="key",
        channel_id=str(CHANNEL),
        channel_name="one",
        input=3,
        output=4,
        cost=7,
    )
    return replace(record, **changes)


def write(journal: Journal, *records: Record) -> None:
    for record in records:
        journal.append(record.to_bytes())


def kill(journal: Journal) -> None:
    """What a kill -9 does to a journal: its lock is gone, the file stays as it is."""
    os.close(journal._fd)


def files(folder: Path) -> set[Path]:
    return set(folder.iterdir())


async def add_owners(db: Database) -> None:
    async with db.transaction() as session:
        session.add(Group(id=GROUP, created_at=CREATED, updated_at=CREATED))
        await session.flush()
        session.add(
            Token(
                id=TOKEN,
                number=1,
                group_id=GROUP,
                name="key",
                digest="d" * 64,
                prefix="pf_live_",
                last_four="abcd",
                created_by="tester",
                updated_at=CREATED,
            )
        )
        session.add(
            Channel(
                id=CHANNEL,
                number=1,
                name="one",
                provider="openai",
                base_url="http://127.0.0.1:9/v1",
                updated_at=CREATED,
            )
        )


async def logged(db: Database) -> list[str]:
    """Request ids in the logs, in the order of their insertion."""
    async with db.reading() as session:
        return list(await session.scalars(select(Log.request_id).order_by(Log.id)))


async def counters(db: Database) -> set[tuple[int, int]]:
    """(requests, used) of the group, the token and the channel: one pair when they agree."""
    async with db.reading() as session:
        owners = (
            await session.get_one(Group, GROUP),
            await session.get_one(Token, TOKEN),
            await session.get_one(Channel, CHANNEL),
        )
        return {(owner.requests, owner.used) for owner in owners}


@contextmanager
def failing(db: Database, where: str) -> Iterator[None]:
    """Fail the next transaction: ``middle``, at its ``commit``, or ``after`` it has been made."""
    engine = db.engine.sync_engine
    lost = OperationalError("lost", None, Exception("the connection is lost"))
    if where == "middle":

        def refuse(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if statement.lower().startswith("update tokens"):
                raise lost

        event.listen(engine, "before_cursor_execute", refuse)
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", refuse)
        return
    commit = engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        if where == "after":
            commit(connection)
        elif db.kind != "sqlite":  # a server ends a transaction it can't commit; SQLite may not
            engine.dialect.do_rollback(connection)
        raise lost

    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]  # for this block
    try:
        yield
    finally:
        del engine.dialect.do_commit
