"""Whether the logs and the counters of an installation are what the soak's clients saw."""

import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Row, select

from doubles.soak_mix import (
    INPUT_PRICE,
    KINDS,
    OUTPUT_PRICE,
    PROMPT,
    SHORT,
    TOKENS,
    UNPRICED,
    Seen,
    text,
    text_tokens,
)
from paifang.core.db import Database
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.logs.models import Log
from paifang.modules.gateway.tokens.models import Token

PAGE = 5000
UNAUTHENTICATED = "401 "
"""How the endings of calls begin that leave no log: nobody is known whose they were."""
SECOND = {"busy", "fail", "half", "head"}
"""Kinds whose first channel fails or is left alone, and whose second one answers."""

_COLUMNS = (
    *(Log.id, Log.request_id, Log.user_agent, Log.group_id, Log.token_id, Log.token_name),
    *(Log.channel_id, Log.channel_name, Log.model, Log.status, Log.outcome, Log.error),
    *(Log.attempts, Log.input, Log.output, Log.cached_input, Log.reasoning, Log.estimated),
    Log.cost,
)

Complaints = list[str]


class Ledger:
    """What the clients saw, against what was written down.

    Args:
        file: :class:`~doubles.soak_mix.Seen`, one a line.
        left: Pieces that the upstream had sent of the calls that were taken from it, by
            request id.
    """

    def __init__(self, file: Path, left: dict[str, int]) -> None:
        self.calls: dict[str, Seen] = {}
        """By the id of the request, or, where it was not told, by the user agent."""
        self.left = left
        self.endings: Counter[tuple[str, str]] = Counter()
        """How often each kind ended how."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """What the logs say of each kind."""
        self.logs = 0
        self.attempts = 0
        """Upstreams asked, as the logs say."""
        with file.open("rb") as lines:
            self.add(*(Seen(**orjson.loads(line)) for line in lines))

    def add(self, *calls: Seen) -> None:
        """More calls that were made."""
        for seen in calls:
            # An hour of them is half a million.
            seen.kind, seen.token = sys.intern(seen.kind), sys.intern(seen.token)
            seen.ending = sys.intern(seen.ending)
            key = seen.request_id or seen.agent
            assert key not in self.calls, f"{seen} and {self.calls[key]}"
            self.calls[key] = seen
            self.endings[seen.kind, seen.ending] += 1

    @property
    def unauthenticated(self) -> int:
        """Calls of nobody."""
        return sum(n for (_, end), n in self.endings.items() if end.startswith(UNAUTHENTICATED))

    async def complaints(self, db: Database) -> Complaints:
        """Everything that is not as it should be."""
        found: Complaints = []
        logged: set[str] = set()
        sums = {name: defaultdict(Counter) for name in ("group", "token", "channel")}
        async for log in _logs(db):
            self.logs += 1
            self.attempts += log.attempts
            key = log.request_id if log.request_id in self.calls else log.user_agent
            seen = self.calls.get(key)
            if seen is None:
                found.append(f"a log of nobody's call: {log}")
            elif key in logged:
                found.append(f"logged twice: {log}")
            else:
                self.outcomes[seen.kind, log.outcome] += 1
                found += [f"{what}: {seen} and {log}" for what in self._differences(seen, log)]
            logged.add(key)
            for owner in sums:
                counter = sums[owner][getattr(log, f"{owner}_id")]
                counter["requests"] += 1
                counter["used"] += log.cost or 0
        for key, seen in self.calls.items():
            if key not in logged and not _leaves_no_log(seen):
                found.append(f"it is in no log: {seen}")
        for owner, table in (("group", Group), ("token", Token), ("channel", Channel)):
            found += await _miscounted(db, table, sums[owner])
        return found

    def _differences(self, seen: Seen, log: Row[Any]) -> Iterable[str]:
        kind = KINDS[seen.kind]
        if log.user_agent != seen.agent:
            yield "another user agent"
        if log.token_name != seen.token:
            yield "another token"
        if seen.token in TOKENS and log.group_id != TOKENS[seen.token]["group_id"]:
            yield "another group"
        if log.model not in {kind.model, ""}:
            yield "another model"
        cost = log.input * INPUT_PRICE + log.output * OUTPUT_PRICE
        if kind.model == UNPRICED and cost:
            cost = None
        if log.cost != cost or log.cached_input or log.reasoning:
            yield "another cost"
        if seen.ending == "left":
            yield from self._left(seen, log)
        else:
            yield from _stayed(seen, log)

    def _left(self, seen: Seen, log: Row[Any]) -> Iterable[str]:
        """A client that left pays at most for what was on its way, and at least for what it got."""
        kind = KINDS[seen.kind]
        if log.outcome == "completed":
            if log.estimated or log.output != kind.pieces:
                yield "not what was answered"
            return
        if (log.outcome, log.error) != ("client_gone", "client_gone"):
            yield "another outcome"
        if log.output and not log.estimated:
            # It left when the provider's numbers had come, behind the whole answer.
            if log.output != kind.pieces:
                yield "not what the provider said"
            return
        most = text_tokens(text(self.left.get(log.request_id, kind.pieces))) if kind.stream else 0
        if not seen.text_tokens <= log.output <= most:
            yield f"billed {log.output}, delivered {seen.text_tokens} to {most}"


def _stayed(seen: Seen, log: Row[Any]) -> Iterable[str]:
    status, _, code = seen.ending.partition(" ")
    if log.status != seen.status:
        yield "another status"
    if seen.ending == "200":
        expected: tuple[object, ...] = ("completed", "", seen.input, seen.output, False)
    elif not status.isdigit():  # the code of an error event
        # What a stream that broke off cost is what came of it, and an estimate of its prompt.
        expected = ("interrupted", seen.ending, log.input, seen.text_tokens, True)
    elif int(status) >= 500:
        expected = ("upstream_error", code, 0, 0, False)
    else:
        expected = ("refused", code, 0, 0, False)
    if (log.outcome, log.error, log.input, log.output, log.estimated) != expected:
        yield f"not {expected}"
    if seen.kind in SECOND and log.channel_name != "second":
        yield "another channel"


def _leaves_no_log(seen: Seen) -> bool:
    """Nobody's call, or one of a client that may have left before it was known whose it was."""
    if seen.ending == "left":
        return not seen.request_id
    return seen.ending.startswith(UNAUTHENTICATED)


async def _logs(db: Database) -> AsyncIterator[Row[Any]]:
    last = 0
    while True:
        async with db.reading() as session:
            page = select(*_COLUMNS).where(Log.id > last).order_by(Log.id).limit(PAGE)
            rows = (await session.execute(page)).all()
        for row in rows:
            yield row
        if len(rows) < PAGE:
            return
        last = rows[-1].id


async def _miscounted(db: Database, table: Any, sums: dict[str, Counter[str]]) -> Complaints:
    """Counters that are not the sums of their logs. An owner that is deleted has none."""
    async with db.reading() as session:
        owners = (await session.execute(select(table.id, table.requests, table.used))).all()
    assert owners
    return [
        f"{table.__tablename__} {owner.id}: {owner} and {sums.get(str(owner.id))}"
        for owner in owners
        if {"requests": owner.requests, "used": owner.used}
        != {"requests": 0, "used": 0} | sums.get(str(owner.id), {})
    ]


def last(agent: str, token: str, status: int, request_id: str, code: str = "") -> Seen:
    """A call that the test itself made, after the load."""
    seen = Seen(agent, "last", token, agent, f"{status} {code}".strip(), status, request_id)
    if status == 200:
        seen.input, seen.output = len(PROMPT.split()), SHORT
    return seen
