"""Mail through the API: the dev inbox, what became of each mail, and trying one again."""

import dataclasses
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import Request
from sqlalchemy import select

from doubles.mails import make_mail, put, stored
from paifang.core import mail as mails
from paifang.core.audit import AuditEntry
from paifang.core.auth import Principal
from paifang.core.db import Database, utc_now
from paifang.core.ids import uuid7
from paifang.core.mail import DevInbox, MailState, Template, deliver
from paifang.core.outbox import Outbox
from paifang.core.runtime import Runtime

LINK = "https://paifang.example/verify#token=abc"


async def kept(db: Database, **values: Any) -> UUID:
    mail_id = await put(db, **values)
    assert await deliver(db, DevInbox(), mail_id=mail_id) is MailState.KEPT
    return mail_id


async def add(db: Database, **values: Any) -> UUID:
    values.setdefault("dedupe_key", str(uuid7()))
    async with db.transaction() as session:
        mail = make_mail(**values)
        session.add(mail)
    return mail.id


async def items(api: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_the_inbox_lists_what_was_kept_the_newest_first(api, db):
    now = utc_now()
    first = await add(db, state=MailState.KEPT, created_at=now - timedelta(minutes=2))
    second = await add(db, state=MailState.KEPT, created_at=now - timedelta(minutes=1))
    for state in ("queued", "sent", "failed", "dropped"):
        await add(db, state=MailState(state))
    found = await items(api, "/inbox")
    assert [entry["id"] for entry in found] == [str(second), str(first)]
    assert set(found[0]) == {"id", "to", "subject", "template", "created_at"}
    page = (await api.get("/inbox?page=2&page_size=1")).json()
    assert (page["total"], [entry["id"] for entry in page["items"]]) == (2, [str(first)])
    oldest = await items(api, "/inbox?sort=created_at")
    assert [entry["id"] for entry in oldest] == [str(first), str(second)]


async def test_the_inbox_is_searched_by_recipient_and_subject(api, db):
    await kept(db, to="ada@example.org", subject="100% Grüße")
    await kept(db, to="grace@example.net", subject="Hello")
    for word, to in (("ADA@", "ada"), ("net", "grace"), ("grüß", "ada"), ("0%", "ada")):
        found = await items(api, f"/inbox?search={word.replace('%', '%25')}")
        assert [entry["to"].partition("@")[0] for entry in found] == [to], word
    assert await items(api, "/inbox?search=_") == []
    assert (await api.get("/inbox?search=%00")).status_code == 422


async def test_a_mail_of_the_inbox_is_shown_whole(api, db):
    async with db.transaction() as session:
        mail = await mails.send_template(
            session,
            to="ada@example.org",
            template=Template.VERIFY_EMAIL,
            locale="zh-TW",
            values=mails.VerifyEmail(link=LINK, valid=timedelta(hours=24)),
            dedupe_key="verify:1",
        )
    await deliver(db, DevInbox(), mail_id=mail.id)
    shown = (await api.get(f"/inbox/{mail.id}")).json()
    assert (shown["to"], shown["template"]) == ("ada@example.org", "verify_email")
    assert LINK in shown["text"]
    assert LINK in shown["html"]
    headers = {header["name"]: header["value"] for header in shown["headers"]}
    assert headers["To"] == "ada@example.org"
    assert headers["Subject"] == shown["subject"] == mail.subject
    assert headers["Message-ID"] == f"<{mail.id.hex}@localhost>"


async def test_only_the_inbox_shows_a_body(api, db):
    secret = "https://paifang.example/#secret"
    for state in MailState:
        mail_id = await add(db, state=state, text=secret, html=secret)
        answer = await api.get(f"/inbox/{mail_id}")
        assert answer.status_code == (200 if state is MailState.KEPT else 404)
    assert secret not in (await api.get("/outgoing")).text
    missing = await api.get(f"/inbox/{uuid7()}")
    assert (missing.status_code, missing.json()["code"]) == (404, "mail_not_found")


async def test_every_mail_is_told_with_its_state_and_reason(api, db):
    refused = {"state": MailState.FAILED, "attempts": 8, "error": "550 no such user"}
    await add(db, to="x@y.example", way="resend", **refused)
    await add(db, state=MailState.SENT, attempts=1, sent_at=utc_now(), way="postmark")
    (failed,) = await items(api, "/outgoing?state=failed")
    assert (failed["error"], failed["attempts"], failed["way"]) == ("550 no such user", 8, "resend")
    assert failed["next_try_at"] is None
    (sent,) = await items(api, "/outgoing?state=sent")
    assert sent["sent_at"].endswith("Z")
    assert len(await items(api, "/outgoing")) == 2
    assert len(await items(api, "/outgoing?search=y.example")) == 1
    await put(db)
    (queued,) = await items(api, "/outgoing?state=queued")
    assert queued["next_try_at"]
    assert (await api.get("/outgoing?state=lost")).status_code == 422


async def test_a_failed_mail_is_tried_again_and_the_audit_says_by_whom(api, db):
    mail_id = await add(db, state=MailState.FAILED, attempts=8, error="550 no such user")
    answer = await api.post(f"/outgoing/{mail_id}/retry")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["attempts"]) == ("queued", 0)
    async with db.reading() as session:
        (asked,) = (await session.scalars(select(Outbox))).all()
        (entry,) = (await session.scalars(select(AuditEntry))).all()
    assert (asked.job, asked.arguments) == ("mail.send", {"mail_id": str(mail_id)})
    assert (entry.action, entry.subject_id) == ("system.mail.retry", str(mail_id))
    assert await deliver(db, DevInbox(), mail_id=mail_id) is MailState.KEPT


@pytest.mark.parametrize("state", [MailState.SENT, MailState.KEPT, MailState.DROPPED])
async def test_a_mail_that_is_done_is_not_tried_again(api, db, state):
    mail_id = await add(db, state=state)
    answer = await api.post(f"/outgoing/{mail_id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "mail_not_retried")
    assert state in answer.json()["detail"]
    assert (await stored(db, mail_id)).state == state


async def test_a_mail_that_is_being_tried_is_left_alone(api, db):
    # Far enough ahead that the attempt isn't over before a slow machine asks.
    mail_id = await add(db, attempts=1, next_try_at=utc_now() + timedelta(seconds=120))
    answer = await api.post(f"/outgoing/{mail_id}/retry")
    assert answer.status_code == 409
    assert "at this moment" in answer.json()["detail"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_nobody_without_the_permission_sees_a_mail(api, runtime: Runtime, db):
    mail_id = await kept(db)

    async def somebody(request: Request, runtime: Runtime) -> Principal:
        del request, runtime
        return Principal(id="somebody", name="Somebody")

    paths = ["/inbox", f"/inbox/{mail_id}", "/outgoing"]
    api._transport.app.state.runtime = dataclasses.replace(runtime, authenticators=(somebody,))
    for path in paths:
        assert (await api.get(path)).status_code == 403
    assert (await api.post(f"/outgoing/{mail_id}/retry")).status_code == 403
    api._transport.app.state.runtime = runtime
    for path in paths:
        answer = await api.get(path, headers={"Authorization": ""})
        assert answer.status_code == 401
