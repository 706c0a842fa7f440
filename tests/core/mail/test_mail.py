"""Mail: kept with the change that wanted it, delivered once, through a real SMTP server."""

import asyncio
import email
import email.policy
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from doubles.mails import SENDER, make_due, make_mail, put, stored
from doubles.smtp import HOST, Postbox, smtp_server
from paifang.core import mail as mails
from paifang.core.db import Database, utc_now
from paifang.core.ids import uuid7
from paifang.core.jobs import enqueue
from paifang.core.jobs.service import Jobs
from paifang.core.mail import BadMail, DevInbox, Mail, MailState, deliver, delivery
from paifang.core.mail.jobs import prune_mails, retry_mails, send_mail
from paifang.core.mail.message import MAX_BODY, check_address, check_content
from paifang.core.mail.ways import FailOver, SmtpBackend, parse_sender
from paifang.core.outbox import Outbox
from paifang.core.runtime import Runtime
from paifang.core.secrets import open_secrets
from paifang.core.settings import CoreSettings, MailSettings, Secret, SettingsError


@pytest.fixture
def box() -> Postbox:
    return Postbox()


def smtp(port: int, *, scheme="smtp", login="", query="", timeout=5.0, **values) -> SmtpBackend:
    url = urlsplit(f"{scheme}://{login}{HOST}:{port}{query}")
    values |= {"sender": parse_sender(SENDER), "timeout": timeout}
    return SmtpBackend(url, variable="PAIFANG_MAIL_SMTP_URL", **values)


async def count(db: Database, model: type) -> int:
    async with db.reading() as session:
        return await session.scalar(select(func.count()).select_from(model))


# What can be a mail


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada.L+tag@Example.ORG", "Ada.L+tag@Example.ORG"),
        ("ada@localhost", "ada@localhost"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_a_plain_address_is_taken(address, kept):
    assert check_address(address) == kept


@pytest.mark.parametrize(
    "address",
    [
        "", "ada", "@example.org", "ada@", "ada@example..org", "ada@.org", "ada@-x.org",
        "ada@example.org\r\nBcc: eve@example.org", "ada@example.org\n", "a\rb@example.org",
        "ada@example.org, eve@example.org", "Ada <ada@example.org>", "ada eve@example.org",
        "a@b@example.org", "ada.@example.org", '"a b"@example.org', "ada@[127.0.0.1]",
        "a" * 65 + "@example.org", "ada@" + "a." * 130 + "org", "ad\x00a@example.org",
        "ada@example.org\u2028", "älice@example.org", "ada@exa\ud800mple.org",
    ],
)  # fmt: skip
def test_anything_else_is_no_address(address):
    with pytest.raises(BadMail) as caught:
        check_address(address)
    assert caught.value.errors[0]["field"] == "to"


@given(subject=st.text(st.sampled_from("ab \r\n\x00\x0b\x0c\x1c\x85\u2028:é"), max_size=40))
def test_no_accepted_subject_adds_a_header(subject):
    try:
        check_content(subject=subject, text="", html=None)
    except BadMail:
        return
    message = mails.message.build_message(make_mail(subject=subject), sender=parse_sender(SENDER))
    seen = email.message_from_bytes(bytes(message), policy=email.policy.SMTP)
    assert sorted(seen.keys()) == sorted(message.keys())
    assert str(seen["Subject"]).split() == subject.split()


@pytest.mark.parametrize(
    "values",
    [
        {"subject": ""},
        {"subject": "x" * 256},
        {"subject": "Hi\r\nBcc: eve@example.org"},
        {"text": "x" * (MAX_BODY + 1)},
        {"text": "nul \x00"},
        {"html": "é" * MAX_BODY},
        {"html": "\ud800"},
    ],
)
def test_content_that_would_not_arrive_is_refused(values):
    with pytest.raises(BadMail) as caught:
        check_content(**{"subject": "Hello", "text": "Hi", "html": None} | values)
    assert caught.value.errors[0]["field"] in values


def test_one_mail_always_makes_the_same_message():
    mail = make_mail(html="<p>Hi</p>", created_at=datetime(2026, 5, 1, 12, 30, 5, 999, tzinfo=UTC))
    sender = parse_sender(SENDER)
    first, second = (mails.message.build_message(mail, sender=sender) for _ in range(2))
    assert first["Message-ID"] == second["Message-ID"] == f"<{mail.id.hex}@paifang.example>"
    assert first["Date"] == "Fri, 01 May 2026 12:30:05 +0000"


# Asking


@pytest.mark.parametrize(
    "values", [{"to": "nobody"}, {"subject": "a\nb"}, {"text": "x" * 10**6}, {"dedupe_key": "A b"}]
)
async def test_a_mail_that_cannot_be_sent_is_refused_at_once(db, values):
    with pytest.raises((BadMail, ValueError)):
        await put(db, **values)
    assert await count(db, Mail) == 0
    assert await count(db, Outbox) == 0


async def test_a_mail_and_its_job_exist_only_with_the_change_that_wanted_them(db):
    async def change_that_fails():
        async with db.transaction() as session:
            await mails.send(session, to="a@b.example", subject="x", text="x", dedupe_key="k")
            raise RuntimeError("no luck")

    with pytest.raises(RuntimeError):
        await change_that_fails()
    assert (await count(db, Mail), await count(db, Outbox)) == (0, 0)
    await put(db)
    assert (await count(db, Mail), await count(db, Outbox)) == (1, 1)


async def test_one_dedupe_key_is_one_mail(db):
    first = await put(db, dedupe_key="reset:1", subject="first")
    second = await put(db, dedupe_key="reset:1", subject="second")
    other = await put(db, dedupe_key="reset:2")
    assert first == second != other
    assert (await stored(db, first)).subject == "first"
    assert await count(db, Outbox) == 2


async def test_transactions_at_the_same_time_with_one_key_make_one_mail(db):
    ids = await asyncio.gather(*(put(db, dedupe_key="welcome:7") for _ in range(6)))
    assert len(set(ids)) == 1
    assert await count(db, Mail) == 1
    assert await count(db, Outbox) == 1


# Delivering


async def test_a_mail_arrives_whole(db, box):
    html = "<p>Grüße, 世界</p>"
    text = "Grüße, 世界\n.\n..\n" + "x" * 2000 + "\n"
    mail_id = await put(db, subject="Grüße 世界", text=text, html=html)
    async with smtp_server(box) as port:
        assert await deliver(db, smtp(port), mail_id=mail_id) is MailState.SENT
    (message,) = box.received
    assert message["To"] == "ada@example.org"
    assert message["From"] == SENDER
    assert message["Subject"] == "Grüße 世界"
    assert message["Message-ID"] == f"<{mail_id.hex}@paifang.example>"
    assert abs(parsedate_to_datetime(message["Date"]) - utc_now()) < timedelta(minutes=1)
    assert message.get_content_type() == "multipart/alternative"
    assert message.get_body(("plain",)).get_content().replace("\r\n", "\n") == text
    assert message.get_body(("html",)).get_content().strip() == html
    assert box.envelopes == [("post@paifang.example", ["ada@example.org"])]
    mail = await stored(db, mail_id)
    assert (mail.attempts, mail.error) == (1, None)
    assert mail.sent_at is not None


async def test_the_body_is_not_kept_once_it_is_sent(db, box):
    mail_id = await put(db, text="https://example.org/reset?token=x", html="<a>")
    async with smtp_server(box) as port:
        await deliver(db, smtp(port), mail_id=mail_id)
    mail = await stored(db, mail_id)
    assert (mail.text, mail.html) == ("", None)


async def test_without_a_server_the_mail_is_kept_to_be_read(db):
    mail_id = await put(db)
    assert await deliver(db, DevInbox(), mail_id=mail_id) is MailState.KEPT
    mail = await stored(db, mail_id)
    assert (mail.state, mail.text, mail.sent_at) == (MailState.KEPT, "Good day\n", None)


async def test_delivering_again_does_nothing(db, box):
    mail_id = await put(db)
    async with smtp_server(box) as port:
        backend = smtp(port)
        await deliver(db, backend, mail_id=mail_id)
        await make_due(db, mail_id)
        assert await deliver(db, backend, mail_id=mail_id) is None
    assert await deliver(db, backend, mail_id=uuid7()) is None
    assert len(box.received) == 1


async def test_two_workers_at_once_send_one_mail(db, box):
    mail_id = await put(db)
    box.hold = asyncio.Event()
    async with smtp_server(box) as port:
        first = asyncio.create_task(deliver(db, smtp(port), mail_id=mail_id))
        await asyncio.wait_for(box.reached.wait(), 10)
        assert await deliver(db, smtp(port), mail_id=mail_id) is None
        box.hold.set()
        assert await first is MailState.SENT
    assert len(box.received) == 1


async def test_a_step_repeated_after_a_crash_sends_the_same_message_id(db, box):
    mail_id = await put(db)
    async with smtp_server(box) as port:
        backend = smtp(port)
        # The process dies after the server's yes: nothing is written down.
        assert (await delivery.hand_over(db, backend, mail_id=mail_id)).state is MailState.SENT
        assert await deliver(db, backend, mail_id=mail_id) is MailState.SENT
        # After it is written down, repeating the step sends nothing.
        assert (await delivery.hand_over(db, backend, mail_id=mail_id)).state is MailState.SENT
    first, second = box.received
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_server_that_is_down_is_tried_again_later(db, box):
    mail_id = await put(db)
    async with smtp_server(box) as port:
        pass
    assert await deliver(db, smtp(port), mail_id=mail_id) is MailState.QUEUED
    mail = await stored(db, mail_id)
    assert mail.attempts == 1
    assert "SMTPConnectError" in mail.error
    assert timedelta(seconds=50) < mail.next_try_at - utc_now() <= timedelta(seconds=60)
    assert await deliver(db, smtp(port), mail_id=mail_id) is None  # not yet
    await make_due(db, mail_id)
    async with smtp_server(box, port=port) as port:
        assert await deliver(db, smtp(port), mail_id=mail_id) is MailState.SENT
    mail = await stored(db, mail_id)
    assert (mail.attempts, mail.error) == (2, None)


@pytest.mark.parametrize(
    ("on", "answer", "state"),
    [
        ("on_rcpt", "450 4.2.1 mailbox busy", MailState.QUEUED),
        ("on_data", "451 4.7.1 greylisted, come back", MailState.QUEUED),
        ("on_rcpt", "550 5.1.1 no such user", MailState.FAILED),
        ("on_data", "554 5.7.1 looks like spam", MailState.FAILED),
    ],
)
async def test_a_refusal_is_final_only_if_the_server_says_so(db, box, on, answer, state):
    setattr(box, on, answer)
    mail_id = await put(db)
    async with smtp_server(box) as port:
        assert await deliver(db, smtp(port), mail_id=mail_id) is state
    mail = await stored(db, mail_id)
    assert mail.state == state
    assert mail.error == answer
    assert mail.text  # it can still be read, and sent again
    assert box.received == []


async def test_a_server_that_says_nothing_is_given_up_in_time(db, box):
    box.hold = asyncio.Event()
    mail_id = await put(db)
    async with smtp_server(box) as port:
        assert await deliver(db, smtp(port, timeout=0.3), mail_id=mail_id) is MailState.QUEUED
    assert "Timeout" in (await stored(db, mail_id)).error


async def test_after_the_last_attempt_the_mail_has_failed(db, box, caplog):
    async with smtp_server(box) as port:
        pass
    mail_id = await put(db)
    states = []
    for _ in range(delivery.MAX_ATTEMPTS):
        await make_due(db, mail_id)
        states.append(await deliver(db, smtp(port), mail_id=mail_id))
    assert states == [MailState.QUEUED] * (delivery.MAX_ATTEMPTS - 1) + [MailState.FAILED]
    assert f"Mail {mail_id} can't be delivered" in caplog.text
    assert "ada@example.org" not in caplog.text


async def test_a_mail_whose_last_attempt_died_with_its_process_has_failed(db):
    mail_id = await put(db)
    for _ in range(delivery.MAX_ATTEMPTS):
        await make_due(db, mail_id)
        async with db.transaction() as session:
            assert await delivery.claim(session, mail_id=mail_id, attempt_seconds=1)
    await make_due(db, mail_id)
    assert await deliver(db, DevInbox(), mail_id=mail_id) is None
    assert (await stored(db, mail_id)).state == MailState.FAILED


async def test_due_are_mails_to_be_tried_again_and_those_whose_job_got_lost(db):
    now = utc_now()

    def queued(minutes: float, **values):
        values = {
            "next_try_at": now - timedelta(minutes=minutes),
            "dedupe_key": str(uuid7()),
        } | values
        return make_mail(**values)

    again = queued(1, attempts=1)
    lost = queued(11)
    others = [
        queued(1),
        queued(-1, attempts=1),
        queued(60, attempts=1, state=MailState.SENT),
        queued(60, attempts=1, state=MailState.KEPT),
        queued(60, attempts=1, state=MailState.FAILED),
    ]
    async with db.transaction() as session:
        session.add_all([again, lost, *others])
    async with db.reading() as session:
        assert await delivery.due_mails(session) == [lost.id, again.id]


# The way to the server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's and the client's TLS context, for a certificate made here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "paifang test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(utc_now() - timedelta(hours=1))
        .not_valid_after(utc_now() + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


def authenticator(_server, _session, _envelope, _mechanism, data: LoginPassword) -> AuthResult:
    good = data.login == b"us@er" and data.password == b"pass/word"
    return AuthResult(success=good, handled=False)


LOGIN = "us%40er:pass%2Fword@"


async def test_starttls_and_a_login_go_together(box, certificate):
    server, client = certificate
    options = {"tls_context": server, "authenticator": authenticator, "auth_required": True}
    async with smtp_server(box, **options) as port:
        backend = smtp(port, login=LOGIN, query="?starttls=always", tls_context=client)
        assert (await backend.send(make_mail())).state is MailState.SENT
    assert box.tls == [True]


async def test_tls_from_the_start(box, certificate):
    server, client = certificate
    async with smtp_server(box, tls=server) as port:
        backend = smtp(port, scheme="smtps", tls_context=client)
        assert (await backend.send(make_mail())).state is MailState.SENT
    assert len(box.received) == 1


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_certificate_nobody_vouches_for_is_not_accepted(box, certificate, scheme):
    server, _client = certificate
    options = {"tls": server} if scheme == "smtps" else {"tls_context": server}
    async with smtp_server(box, **options) as port:
        query = "?starttls=always" if scheme == "smtp" else ""
        outcome = await smtp(port, scheme=scheme, query=query).send(make_mail())
    assert outcome.state is MailState.QUEUED
    assert "certificate" in outcome.error.lower()
    assert box.received == []


async def test_a_password_is_not_sent_in_the_clear(box):
    async with smtp_server(box, authenticator=authenticator, auth_require_tls=False) as port:
        backend = smtp(port, login=LOGIN, query="?starttls=always")
        outcome = await backend.send(make_mail())
    assert outcome.state is MailState.QUEUED
    assert "STARTTLS" in outcome.error
    assert box.received == []


async def test_a_wrong_password_can_be_mended_so_the_mail_waits(box, certificate):
    server, client = certificate
    async with smtp_server(box, tls_context=server, authenticator=authenticator) as port:
        backend = smtp(port, login="us%40er:hunter2@", query="?starttls=always", tls_context=client)
        outcome = await backend.send(make_mail())
    assert outcome.state is MailState.QUEUED
    assert outcome.error.startswith("535")
    assert "hunter2" not in outcome.error


def backend_for(url: str, sender: str = SENDER) -> mails.Way:
    return mails.open_backend(MailSettings(smtp_url=Secret(url), sender=sender))


@pytest.mark.parametrize(
    ("url", "port", "tls", "start_tls"),
    [
        ("smtp://mail.example", 587, False, "auto"),
        ("smtp://u:p@mail.example:25", 25, False, "always"),
        ("smtp://u:p@mail.example?starttls=auto", 587, False, "auto"),
        ("smtp://u:p@localhost", 587, False, "never"),
        ("smtp://[::1]:2525", 2525, False, "never"),
        ("smtp://127.0.0.1?starttls=always", 587, False, "always"),
        ("smtps://u:p@mail.example", 465, True, "always"),
    ],
)
def test_the_url_says_how_to_reach_the_server(url, port, tls, start_tls):
    found = backend_for(url)
    assert isinstance(found, FailOver)
    (backend,) = found.ways
    assert isinstance(backend, SmtpBackend)
    assert (backend.port, backend.tls, backend.start_tls) == (port, tls, start_tls)


@pytest.mark.parametrize(
    "url",
    [
        "http://u:hunter2@mail.example", "mail.example:587", "smtp://", "smtp://u:hunter2@h:99999",
        "smtp://u:hunter2@h:x", "smtp://u:hunter2@h?verify=no", "smtp://h?starttls=maybe",
    ],
)  # fmt: skip
def test_a_url_that_is_none_is_named_without_its_password(url):
    with pytest.raises(SettingsError, match="PAIFANG_MAIL_SMTP_URL") as caught:
        backend_for(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "smtp://mail.example"])
def test_a_sender_that_is_none_is_named(url):
    for sender in ("", "Paifang", "a@b, c@d", "P <a@b>\r\nBcc: x@y"):
        with pytest.raises(SettingsError, match="PAIFANG_MAIL_SENDER"):
            backend_for(url, sender)


def test_without_a_url_there_is_the_dev_inbox():
    assert isinstance(mails.open_backend(MailSettings()), DevInbox)


# The jobs


@pytest.fixture
async def runtime(settings: CoreSettings, db: Database) -> Runtime:
    return Runtime(settings=settings, db=db, secrets=open_secrets(settings))


async def until(db: Database, mail_id: UUID, good: Callable[[Mail], bool]) -> Mail:
    """Wait for what the jobs' own loop does to a mail."""
    async with asyncio.timeout(30):
        while not good(mail := await stored(db, mail_id)):  # noqa: ASYNC110  # it is in the database
            await asyncio.sleep(0.05)
    return mail


# The engine on each database is the business of the tests of jobs.
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_job_delivers_a_mail_and_the_retry_job_those_that_wait(runtime, box):
    db = runtime.db
    async with smtp_server(box) as port:
        pass
    settings = MailSettings(smtp_url=Secret(f"smtp://{HOST}:{port}"), sender=SENDER)
    runtime.settings = replace(runtime.settings, mail=settings)
    jobs = Jobs(runtime, extra=(send_mail, retry_mails))
    await jobs.start()
    try:
        mail_id = await put(db)
        mail = await until(db, mail_id, lambda m: m.error is not None)
        assert (mail.state, mail.attempts) == (MailState.QUEUED, 1)
        await make_due(db, mail_id)
        async with smtp_server(box, port=port):
            async with db.transaction() as session:
                enqueue(session, retry_mails)
            mail = await until(db, mail_id, lambda m: m.state == MailState.SENT)
    finally:
        await jobs.stop()
    assert mail.attempts == 2
    assert [m["Message-ID"] for m in box.received] == [f"<{mail_id.hex}@paifang.example>"]


class Run:
    """Runs the steps of a job at once."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.transaction = runtime.db.transaction

    async def step(self, function: Any) -> Any:
        return await function(self)


@pytest.mark.parametrize(("days", "left"), [(30, 3), (0, 7)])
async def test_old_mails_are_deleted_but_those_that_wait(runtime, monkeypatch, days, left):
    monkeypatch.setattr(delivery, "PRUNE_BATCH", 2)
    runtime.settings = replace(runtime.settings, mail=MailSettings(keep_days=days))
    old = utc_now() - timedelta(days=31)
    async with runtime.db.transaction() as session:
        for number, state in enumerate(MailState):
            session.add(make_mail(dedupe_key=f"old {number}", state=state, created_at=old))
        session.add(make_mail(dedupe_key="sent", state=MailState.SENT))
        session.add(make_mail(dedupe_key="kept", state=MailState.KEPT))
    await prune_mails.function(Run(runtime))
    async with runtime.db.reading() as session:
        found = (await session.scalars(select(Mail))).all()
    assert len(found) == left
    assert MailState.QUEUED in {mail.state for mail in found}


def test_core_brings_its_jobs_and_the_retry_runs_every_minute():
    crons = {job.name: job.cron for job in mails.MAIL_JOBS}
    assert crons == {
        "mail.send": None,
        "mail.retry": "* * * * *",
        "mail.prune": "29 3 * * *",
    }
