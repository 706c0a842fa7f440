"""What happens beside requests: who was last here, cleaning up; and what is told of a place."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, select, update

from modules.accounts.people import People, sign_in
from paifang.core.db import utc_now
from paifang.core.jobs import Run
from paifang.core.runtime import Runtime
from paifang.modules.accounts.challenges.models import Throttle
from paifang.modules.accounts.entry.seen import Seen
from paifang.modules.accounts.invitations.models import Invitation
from paifang.modules.accounts.jobs import clean_up
from paifang.modules.accounts.links import service as links
from paifang.modules.accounts.links.models import MailLink, Purpose
from paifang.modules.accounts.sessions.models import Session
from paifang.modules.accounts.settings import AccountsSettings

Browser = Callable[..., httpx.AsyncClient]


async def test_who_was_here_is_written_together_at_most_once_a_minute(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    user = await people.make()
    changed = user.updated_at
    seen = runtime.parts[Seen] = Seen(runtime.db)
    client = browser()
    await sign_in(client)
    for _ in range(3):
        await client.get("/account")
    assert await seen.flush() == 1
    found = await people.get("ann@example.org")
    assert found is not None
    assert found.last_seen_at is not None
    assert found.updated_at == changed, "nobody has changed anything"
    await client.get("/account")
    assert await seen.flush() == 0, "a minute has not passed"
    await people.change("ann@example.org", last_seen_at=utc_now() - timedelta(seconds=61))
    await client.get("/account")
    assert await seen.flush() == 1


async def test_a_reading_request_writes_nothing(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    runtime.parts[Seen] = Seen(runtime.db)
    client = browser()
    await sign_in(client)
    commits: list[Any] = []
    event.listen(runtime.db.engine.sync_engine, "commit", commits.append)
    for path in ("/account", "/account/sessions", "/account/export", "/auth/policy"):
        assert (await client.get(path)).status_code == 200
    assert commits == []


async def test_what_means_nothing_any_more_is_deleted_at_night(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    old, fresh = browser(), browser()
    await sign_in(old)
    async with runtime.db.transaction() as session:
        long_ago = utc_now() - timedelta(days=31)
        await session.execute(update(Session).values(ended_at=long_ago, ended_reason="kicked"))
        link = await links.ask(session, purpose=Purpose.RESET, email="x@example.org")
        link.expires_at = utc_now() - timedelta(days=8)
        await links.ask(session, purpose=Purpose.RESET, email="y@example.org")
        session.add(Throttle(key="a", updated_at=long_ago, until=long_ago))
        session.add(Throttle(key="b", updated_at=long_ago, until=utc_now() + timedelta(hours=1)))
    await sign_in(fresh)
    for place, days in enumerate((8, 10, 10)):
        made = await people.make(f"p{place}@example.org", status="pending", password=None)
        await people.change(
            made.email,
            email_verified_at=None,
            created_at=utc_now() - timedelta(days=days),
        )
    async with runtime.db.transaction() as session:
        session.add(
            Invitation(
                digest="x",
                user_id=made.id,
                role_ids=[],
                group_ids=[],
                invited_by="a",
                expires_at=utc_now(),
            )
        )

    async def always(_name: str, attempts: Callable[[], Any]) -> Any:
        return await attempts()

    run = Run(
        clean_up,
        id="x",
        attempt=1,
        runtime=runtime,
        checkpoint=always,
        stopping=threading.Event(),
    )
    await clean_up.function(run)
    async with runtime.db.reading() as session:
        assert len(list(await session.scalars(select(Session)))) == 1
        assert [row.email for row in await session.scalars(select(MailLink))] == ["y@example.org"]
        keys = set(await session.scalars(select(Throttle.key)))
    assert "b" in keys
    assert "a" not in keys
    assert (await fresh.get("/account")).status_code == 200
    left = [await people.get(f"p{place}@example.org") is not None for place in range(3)]
    assert left == [True, False, True], "too new; never confirmed; an administrator waits for them"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_place_is_told_by_a_proxy_that_is_named_and_by_nobody_else(
    people: People, browser: Browser, runtime: Runtime
) -> None:
    await people.make()
    client = browser()
    client.headers["cf-ipcountry"] = "TW"
    await sign_in(client)
    [session] = (await client.get("/account/sessions")).json()
    assert session["place"] is None
    accounts = replace(runtime.settings.area(AccountsSettings), place_header="cf-ipcountry")
    runtime.settings = replace(runtime.settings, accounts=accounts)
    await sign_in(client)
    [session] = (await client.get("/account/sessions")).json()
    assert session["place"] == "TW"
