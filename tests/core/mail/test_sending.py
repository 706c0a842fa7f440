"""Mails made from templates: kept with the change, counted by address, tried again on demand."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from doubles.mails import make_due, make_mail, put, stored
from paifang.core import mail as mails
from paifang.core.db import Database, utc_now
from paifang.core.ids import uuid7
from paifang.core.mail import (
    BadMail,
    DevInbox,
    Mail,
    MailState,
    Outcome,
    Template,
    deliver,
    delivery,
)
from paifang.core.mail.service import mailbox

DAY = timedelta(hours=24)
LINK = "https://paifang.example/verify#token=abc"


async def ask(db: Database, *, to: str = "ada@example.org", **values: Any) -> Mail:
    asked = {
        "template": Template.VERIFY_EMAIL,
        "locale": "en",
        "values": mails.VerifyEmail(link=LINK, valid=DAY),
        "dedupe_key": f"verify:{uuid7()}",
    } | values
    async with db.transaction() as session:
        return await mails.send_template(session, to=to, **asked)


async def keep(db: Database, mail: Mail, *, hourly: int = 3) -> Mail:
    """Deliver it to the dev inbox, and look at it."""
    await deliver(db, DevInbox(), mail_id=mail.id, hourly=hourly)
    return await stored(db, mail.id)


async def test_a_template_is_kept_as_it_will_be_read(db):
    mail = await ask(db, locale="zh-HK", values={"link": LINK, "valid": DAY})
    kept = await keep(db, mail)
    assert (kept.state, kept.template, kept.mailbox) == ("kept", "verify_email", "ada@example.org")
    assert kept.subject == "請確認您在 paifang.example 使用的電子郵件地址"
    assert LINK in kept.text
    assert 'lang="zh-TW"' in (kept.html or "")


async def test_one_dedupe_key_is_one_mail_made_from_a_template(db):
    first, second = [await ask(db, dedupe_key="verify:1") for _ in range(2)]
    assert first.id == second.id


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "nobody"},
        {"dedupe_key": "A b"},
        {"values": mails.Approved(link=LINK)},
        {"values": {"link": LINK}},
        {"template": "no such"},
        {"values": mails.VerifyEmail(link="/verify", valid=DAY)},
    ],
)
async def test_what_can_not_be_sent_is_refused_at_once(db, wrong):
    with pytest.raises((BadMail, ValueError)):
        await ask(db, **wrong)
    async with db.reading() as session:
        assert (await session.scalars(select(Mail))).all() == []


# Counting


@pytest.mark.parametrize(
    ("address", "reader"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada+1@Example.ORG", "ada@example.org"),
        ("+1@example.org", "+1@example.org"),
        ("a.d.a+x@gmail.com", "ada@gmail.com"),
        ("ada@googlemail.com", "ada@gmail.com"),
        ("a.da@example.org", "a.da@example.org"),
    ],
)
def test_addresses_that_one_person_reads_are_counted_together(address, reader):
    assert mailbox(address) == reader


async def test_a_stranger_makes_us_send_so_many_an_hour_and_no_more(db, caplog):
    addresses = ["ada@example.org", "Ada@example.org", "ada+1@example.org", "ADA+2@example.org"]
    asked = [await ask(db, to=address) for address in addresses]
    other = await ask(db, to="grace@example.org")
    states = [(await keep(db, mail)).state for mail in [*asked, other]]
    assert states == ["kept", "kept", "kept", "dropped", "kept"]
    dropped = await stored(db, asked[3].id)
    assert (dropped.text, dropped.html, dropped.attempts) == ("", None, 0)
    assert dropped.error == "its address has had 3 mails within the hour before it"
    assert f"Mail {dropped.id} is dropped" in caplog.text
    assert "example.org" not in caplog.text


async def test_which_mails_are_dropped_does_not_hang_on_the_order_of_delivery(db):
    asked = [await ask(db) for _ in range(6)]
    for mail in reversed(asked):
        await keep(db, mail, hourly=2)
    states = [(await stored(db, mail.id)).state for mail in asked]
    assert states == ["kept"] * 2 + ["dropped"] * 4


async def test_dropped_mails_do_not_keep_an_address_closed(db):
    async with db.transaction() as session:
        now = utc_now()
        for number, minutes in enumerate((70, 65, 30, 20, 10)):
            dropped = minutes < 60
            session.add(
                make_mail(
                    mailbox="ada@example.org",
                    dedupe_key=f"k{number}",
                    created_at=now - timedelta(minutes=minutes),
                    state=MailState.DROPPED if dropped else MailState.SENT,
                )
            )
    assert (await keep(db, await ask(db), hourly=2)).state == "kept"


async def test_mails_that_no_stranger_can_ask_for_are_not_counted(db):
    values = {"template": Template.APPROVED, "values": mails.Approved(link=LINK)}
    asked = [await ask(db, **values) for _ in range(4)]
    assert [(await keep(db, mail, hourly=1)).state for mail in asked] == ["kept"] * 4
    assert (await keep(db, await ask(db), hourly=1)).state == "kept"


async def test_without_a_limit_all_are_sent(db):
    asked = [await ask(db) for _ in range(4)]
    assert [(await keep(db, mail, hourly=0)).state for mail in asked] == ["kept"] * 4


async def test_a_mail_that_is_tried_again_was_let_through_already(db):
    first, second = await ask(db), await ask(db)
    async with db.transaction() as session:
        assert await delivery.claim(session, mail_id=second.id, attempt_seconds=1, hourly=2)
    await make_due(db, second.id)
    assert (await keep(db, second, hourly=1)).state == "kept"
    assert (await keep(db, first, hourly=1)).state == "kept"


# Trying again on demand


class Refuses:
    """A way out that refuses for good, or takes its time."""

    name = "test"
    attempt_seconds = 5.0

    def __init__(self, state: MailState = MailState.FAILED) -> None:
        self.state = state

    async def send(self, mail: Mail) -> Outcome:
        del mail
        return Outcome(self.state, "550 no such user", way="test")

    async def probe(self) -> str:
        return ""


async def again(db: Database, mail: Mail, *, seconds: float = 5.0) -> bool:
    async with db.transaction() as session:
        found = await session.get_one(Mail, mail.id)
        return await mails.make_due(session, mail=found, attempt_seconds=seconds)


async def test_a_mail_that_failed_can_be_tried_again_from_the_start(db):
    mail_id = await put(db)
    await deliver(db, Refuses(), mail_id=mail_id)
    mail = await stored(db, mail_id)
    assert (mail.state, mail.way, mail.text) == ("failed", "test", "Good day\n")
    assert await again(db, mail)
    mail = await stored(db, mail_id)
    assert (mail.state, mail.attempts) == ("queued", 0)
    assert await deliver(db, DevInbox(), mail_id=mail_id) is MailState.KEPT


async def test_a_mail_that_waits_for_hours_can_be_tried_now(db):
    mail_id = await put(db)
    for _ in range(3):
        await make_due(db, mail_id)
        await deliver(db, Refuses(MailState.QUEUED), mail_id=mail_id)
    assert await deliver(db, DevInbox(), mail_id=mail_id) is None
    # Its attempt may still be running: it began less than an attempt's time ago.
    assert not await again(db, await stored(db, mail_id))
    assert await again(db, await stored(db, mail_id), seconds=0.0)
    assert await deliver(db, DevInbox(), mail_id=mail_id) is MailState.KEPT
    assert (await stored(db, mail_id)).attempts == 4


async def test_a_mail_that_somebody_has_just_claimed_is_left_to_them(db):
    mail_id = await put(db)
    seen = await stored(db, mail_id)
    async with db.transaction() as session:
        assert await delivery.claim(session, mail_id=mail_id, attempt_seconds=5)
    async with db.transaction() as session:
        assert not await mails.make_due(session, mail=seen, attempt_seconds=5)


@pytest.mark.parametrize("state", [MailState.SENT, MailState.KEPT, MailState.DROPPED])
async def test_a_mail_that_is_done_is_not_tried_again(db, state):
    async with db.transaction() as session:
        mail = make_mail(state=state)
        session.add(mail)
    assert not await again(db, mail)
