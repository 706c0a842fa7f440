"""What a load makes of the tables, and that a bad row spoils nothing but itself."""

import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, literal_column, select, update

from paifang.core.auth import Principal
from paifang.core.db import Database, bump_version, utc_now
from paifang.core.runtime import Runtime
from paifang.core.scope import unscoped
from paifang.core.secrets import Secrets
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.groups import service as groups
from paifang.modules.gateway.groups.models import Group
from paifang.modules.gateway.prices.models import Price
from paifang.modules.gateway.relay.snapshot import Limits, Snapshot, Timeouts
from paifang.modules.gateway.snapshot.loader import load
from paifang.modules.gateway.snapshot.records import Records
from paifang.modules.gateway.tokens import service as tokens
from paifang.modules.gateway.tokens.models import Token


@pytest.fixture
def secrets(runtime: Runtime) -> Secrets:
    return runtime.secrets


@pytest.fixture
async def key(db: Database, actor: Principal) -> AsyncIterator[str]:
    """The key of a token ``mine`` in the group ``team``."""
    async with db.transaction() as session:
        await groups.create(session, actor=actor, group_id="team", rpm=9, unpriced="block")
        _, made = await tokens.create(session, actor=actor, group_id="team", name="mine")
    return made


def channel(number: int, name: str, **values: Any) -> Channel:
    values = {"provider": "openai", "base_url": "http://x/v1", "models": ["gpt"], **values}
    return Channel(number=number, name=name, **values)


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


async def test_an_empty_database_gives_an_empty_snapshot(db: Database, secrets: Secrets) -> None:
    snapshot = await load(db, secrets)
    assert snapshot == Snapshot()


async def test_the_snapshot_says_what_the_tables_say(
    db: Database, secrets: Secrets, actor: Principal, key: str
) -> None:
    later = utc_now() + timedelta(days=1)
    async with db.transaction() as session:
        token, other = await tokens.create(
            session,
            actor=actor,
            group_id="team",
            name="other",
            models=["gpt"],
            networks=["10.0.0.1/8"],
            expires_at=later,
            quota=5,
            tpm=10**11,
        )
        token.used = 3
        await tokens.revoke(session, actor=actor, token_id=token.id)
        session.add(
            channel(
                1,
                "one",
                credential=secrets.encrypt("sk-upstream").decode(),
                model_mapping={"gpt": "gpt-5"},
                weight=3,
                connect_timeout=1.5,
            )
        )
    snapshot = await load(db, secrets)
    group = snapshot.groups["team"]
    assert (group.limits, group.unpriced, group.enabled) == (Limits(rpm=9), "block", True)
    plain = snapshot.tokens[digest(key)]
    assert plain.group is group
    assert (plain.name, plain.status, plain.expires_at) == ("mine", "enabled", None)
    assert (plain.models, plain.networks, plain.quota, plain.used) == (None, (), None, 0)
    full = snapshot.tokens[digest(other)]
    assert full.group is group
    assert (full.id, full.name, full.status) == (str(token.id), "other", "revoked")
    assert full.expires_at == pytest.approx(later.timestamp(), abs=1e-5)
    assert (full.models, full.networks) == (frozenset({"gpt"}), (ip_network("10.0.0.0/8"),))
    assert (full.quota, full.used, full.limits) == (5, 3, Limits(tpm=10**11))
    (found,) = snapshot.channels["gpt"]
    assert (found.name, found.credential, found.weight) == ("one", "sk-upstream", 3)
    assert found.model_mapping == {"gpt": "gpt-5"}
    assert found.timeouts == Timeouts(1.5, 120.0, 60.0)
    assert snapshot.version == 4


async def test_channels_are_enabled_ones_with_the_highest_priority_first(
    db: Database, secrets: Secrets
) -> None:
    async with db.transaction() as session:
        session.add_all(
            [
                channel(1, "low", models=["a", "b"]),
                channel(2, "high", models=["b"], priority=5),
                channel(3, "below", models=["b"], priority=-1),
                channel(4, "off", models=["c"], status="disabled"),
            ]
        )
    snapshot = await load(db, secrets)
    names = {model: [c.name for c in found] for model, found in snapshot.channels.items()}
    assert names == {"a": ["low"], "b": ["high", "low", "below"]}
    assert snapshot.channels["a"][0] is snapshot.channels["b"][1]


async def test_prices_are_newest_first_without_those_that_ended_long_ago(
    db: Database, secrets: Secrets
) -> None:
    now = utc_now()
    days = {"ended": -4, "ends a day ago": -3, "yesterday's": -1.5, "today's": -0.5, "next": 2}
    async with db.transaction() as session:
        for place, day in enumerate(days.values()):
            moment = now + timedelta(days=day)
            session.add(Price(model="gpt", valid_from=moment, input=place, created_by="t"))
        session.add(
            Price(model="old", valid_from=now - timedelta(days=900), input=7, created_by="t")
        )
    snapshot = await load(db, secrets)
    # The one from 1.5 days ago still held a day ago, when a call may have begun.
    assert [price.input for price in snapshot.prices["gpt"]] == [4, 3, 2]
    assert [price.input for price in snapshot.prices["old"]] == [7]
    moments = [price.valid_from for price in snapshot.prices["gpt"]]
    assert moments == sorted(moments, reverse=True)


async def test_the_number_of_statements_is_fixed_and_the_version_is_read_first(
    db: Database, secrets: Secrets, query_count: Any, actor: Principal
) -> None:
    with query_count(db) as empty:
        await load(db, secrets)
    async with db.transaction() as session:
        for number in range(3):
            await groups.create(session, actor=actor, group_id=f"g{number}")
            session.add(channel(number, f"c{number}"))
            session.add(Price(model=f"m{number}", valid_from=utc_now(), created_by="t"))
        await session.execute(
            insert(Token),
            [
                {
                    "number": number,
                    "group_id": f"g{number % 3}",
                    "name": f"t{number}",
                    "digest": f"{number:064x}",
                    "prefix": "pf_live_",
                    "last_four": "abcd",
                    "created_by": "t",
                }
                for number in range(700)
            ],
        )
    with query_count(db) as filled:
        snapshot = await load(db, secrets)
    assert len(snapshot.tokens) == 700
    assert len(empty) == len(filled) == 6
    assert "counters" in filled[0]


async def test_a_credential_that_cannot_be_decrypted_leaves_out_its_channel_alone(
    db: Database, secrets: Secrets, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with db.transaction() as session:
        session.add_all(
            [
                channel(1, "broken", credential="gAAAAA-written-with-a-lost-key"),
                channel(2, "whole", credential=secrets.encrypt("s").decode()),
                channel(3, "open"),
            ]
        )
    records = Records(secrets)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            snapshot = await load(db, secrets, records)
    assert [c.name for c in snapshot.channels["gpt"]] == ["whole", "open"]
    assert digest(key) in snapshot.tokens
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(messages) == 1  # said once, not with every load
    assert "'broken'" in messages[0]
    assert "PAIFANG_ENCRYPTION_KEYS" in messages[0]


@pytest.mark.parametrize(
    "values",
    [
        {"networks": ["10.0.0.0/8", "lan"]},
        {"networks": {"10.0.0.0/8": True}},
        {"networks": [5]},
        {"models": {"gpt": 1}},
    ],
)
async def test_a_token_whose_limits_cannot_be_read_is_refused_and_no_other(
    *,
    db: Database,
    secrets: Secrets,
    actor: Principal,
    key: str,
    values: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with db.transaction() as session:
        _, bad = await tokens.create(session, actor=actor, group_id="team", name="bad")
        await session.execute(update(Token).where(Token.name == "bad").values(values))
    records = Records(secrets)
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            snapshot = await load(db, secrets, records)
    assert snapshot.tokens[digest(bad)].status == "disabled"
    assert snapshot.tokens[digest(key)].status == "enabled"
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(messages) == 1
    assert "'bad'" in messages[0]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_text_that_is_no_json_spoils_its_own_row_alone(
    db: Database, secrets: Secrets, actor: Principal, key: str
) -> None:
    async with db.transaction() as session:
        _, bad = await tokens.create(session, actor=actor, group_id="team", name="bad")
        session.add_all([channel(1, "bad"), channel(2, "good")])
        await session.flush()
        broken = literal_column("'[\"a'")
        await session.execute(update(Token).where(Token.name == "bad").values(networks=broken))
        await session.execute(update(Channel).where(Channel.number == 1).values(models=broken))
    snapshot = await load(db, secrets)
    assert snapshot.tokens[digest(bad)].status == "disabled"
    assert snapshot.tokens[digest(key)].status == "enabled"
    assert [c.name for c in snapshot.channels["gpt"]] == ["good"]


async def test_what_has_not_changed_is_not_built_again(
    db: Database, secrets: Secrets, actor: Principal, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with db.transaction() as session:
        await groups.create(session, actor=actor, group_id="other")
        _, second = await tokens.create(session, actor=actor, group_id="other", name="b")
        session.add(channel(1, "one", credential=secrets.encrypt("s").decode()))
    decrypted: list[bytes] = []
    real = Secrets.decrypt

    def counting(self: Secrets, data: bytes) -> str:
        decrypted.append(data)
        return real(self, data)

    monkeypatch.setattr(Secrets, "decrypt", counting)
    records = Records(secrets)
    before = await load(db, secrets, records)
    async with db.transaction() as session:
        await groups.update(session, actor=actor, group_id="other", rpm=1)
    after = await load(db, secrets, records)
    assert len(decrypted) == 1
    assert after.tokens[digest(key)] is before.tokens[digest(key)]
    assert after.groups["team"] is before.groups["team"]
    # A token always names the group of its own snapshot.
    assert after.groups["other"].limits.rpm == 1
    assert after.tokens[digest(second)].group is after.groups["other"]
    assert before.tokens[digest(second)].group is before.groups["other"]


async def test_what_a_group_may_call_holds_without_a_token_too(
    db: Database, secrets: Secrets, actor: Principal
) -> None:
    async with db.transaction() as session:
        await groups.create(session, actor=actor, group_id="all")
        await groups.create(session, actor=actor, group_id="some", models=["gpt", "odd"])
        await groups.create(session, actor=actor, group_id="poor", quota=0)
        await groups.create(session, actor=actor, group_id="spoilt", models=["gpt"])
        session.add(channel(1, "one"))
        session.add(channel(2, "own", provider="local", models=["tiny"]))
    async with db.transaction() as session:
        spoilt = update(Group).where(Group.id == "spoilt").values(models={"gpt": 1})
        await session.execute(unscoped(spoilt, "a test"))
    records = Records(secrets)
    found = (await load(db, secrets, records)).groups
    assert {name: group.models for name, group in found.items()} == {
        "all": None,
        "some": frozenset({"gpt", "odd"}),
        "poor": frozenset({"tiny"}),
        "spoilt": frozenset(),
    }
    again = (await load(db, secrets, records)).groups
    assert all(again[name] is group for name, group in found.items())


@pytest.mark.parametrize(
    ("column", "value", "field", "seen"),
    [
        ("name", "another", "name", "another"),
        ("status", "disabled", "status", "disabled"),
        ("expires_at", datetime(2030, 1, 1, tzinfo=UTC), "expires_at", 1_893_456_000.0),
        ("models", ["gpt"], "models", frozenset({"gpt"})),
        ("networks", ["10.0.0.0/8"], "networks", (ip_network("10.0.0.0/8"),)),
        ("rpm", 7, "limits", Limits(rpm=7)),
        ("tpm", 7, "limits", Limits(tpm=7)),
        ("concurrency", 7, "limits", Limits(concurrency=7)),
        ("quota", 7, "quota", 7),
        ("used", 7, "used", 7),
        ("id", UUID(int=7), "id", "00000000-0000-0000-0000-000000000007"),
    ],
)
async def test_a_change_of_any_column_is_seen(
    *,
    db: Database,
    secrets: Secrets,
    key: str,
    column: str,
    value: Any,
    field: str,
    seen: Any,
) -> None:
    records = Records(secrets)
    before = (await load(db, secrets, records)).tokens[digest(key)]
    async with db.transaction() as session:
        await session.execute(update(Token).values({column: value}))
    after = (await load(db, secrets, records)).tokens[digest(key)]
    assert getattr(after, field) == seen != getattr(before, field)
    assert replace(after, **{field: getattr(before, field)}) == before, "and nothing else"


async def test_equal_limits_are_one_object(
    db: Database, secrets: Secrets, actor: Principal, key: str
) -> None:
    async with db.transaction() as session:
        _, other = await tokens.create(session, actor=actor, group_id="team", name="b")
    snapshot = await load(db, secrets)
    mine, second = snapshot.tokens[digest(key)], snapshot.tokens[digest(other)]
    assert mine.limits is second.limits
    assert mine.group is second.group


async def test_what_is_deleted_is_forgotten(
    db: Database, secrets: Secrets, actor: Principal, key: str
) -> None:
    records = Records(secrets)
    assert digest(key) in (await load(db, secrets, records)).tokens
    async with db.transaction() as session:
        await groups.delete(session, actor=actor, group_id="team")
    snapshot = await load(db, secrets, records)
    assert not snapshot.tokens
    assert not snapshot.groups
    async with db.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Group)) == 0


async def test_a_load_that_fails_midway_does_no_harm_to_the_next(
    db: Database, secrets: Secrets, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = Records(secrets)
    before = await load(db, secrets, records)

    def fails(_: Any) -> Any:
        raise OSError("away")

    with monkeypatch.context() as patch:
        patch.setattr(records, "channel", fails)
        async with db.transaction() as session:
            session.add(channel(1, "one"))
            await bump_version(session, "gateway")
        with pytest.raises(OSError, match="away"):
            await load(db, secrets, records)
    after = await load(db, secrets, records)
    assert after.tokens[digest(key)] is before.tokens[digest(key)]
    assert after.version == before.version + 1
    assert "gpt" in after.channels
