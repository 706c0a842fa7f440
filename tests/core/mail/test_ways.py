"""Ways out for mails: the providers' APIs as they speak, and fail-over between them."""

import asyncio
import time
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doubles.mail_providers import Odd, PostmarkDouble, ProviderDouble, ResendDouble, failed, said
from doubles.mails import SENDER, make_mail, put, stored
from doubles.smtp import HOST, Postbox, smtp_server
from paifang.core import mail as mails
from paifang.core.db import Database, utc_now
from paifang.core.mail import FailOver, MailState, deliver
from paifang.core.mail.ways import Outcome, Trouble, WayOutTrouble, open_ways
from paifang.core.mail.ways.failover import LONGEST_REST, RESTS
from paifang.core.settings import MailSettings, Secret, SettingsError


def ways(*urls: str, smtp_url: str = "", timeout: float = 5.0) -> Any:
    settings = MailSettings(
        providers=Secret(" ".join(urls)), smtp_url=Secret(smtp_url), sender=SENDER, timeout=timeout
    )
    return open_ways(settings)


@pytest.fixture(params=[ResendDouble, PostmarkDouble])
async def double(request):
    async with request.param() as server:
        yield server


@pytest.fixture
async def resend():
    async with ResendDouble() as server:
        yield server


@pytest.fixture
async def postmark():
    async with PostmarkDouble() as server:
        yield server


# What goes over the wire


async def test_resend_gets_the_mail_with_its_id_as_idempotency_key(resend):
    mail = make_mail(html="<p>Grüße</p>", subject="Grüße 世界")
    (way,) = ways(resend.url)
    assert await way.send(mail) == Outcome(MailState.SENT)
    (asked,) = resend.requests
    assert asked.headers["idempotency-key"] == mail.id.hex
    assert asked.headers["authorization"] == f"Bearer {resend.key}"
    (sent,) = resend.sent
    assert sent["from"] == "Paifang 牌坊 <post@paifang.example>"
    assert (sent["to"], sent["subject"]) == (["ada@example.org"], "Grüße 世界")
    assert (sent["text"], sent["html"]) == ("Good day\n", "<p>Grüße</p>")
    assert sent["headers"]["Auto-Submitted"] == "auto-generated"


async def test_postmark_gets_the_mail_without_tracking_and_with_our_message_id(postmark):
    mail = make_mail(html="<p>Hi</p>")
    (way,) = ways(postmark.url)
    assert await way.send(mail) == Outcome(MailState.SENT)
    (sent,) = postmark.sent
    assert (sent["From"], sent["To"]) == (SENDER, "ada@example.org")
    assert (sent["TextBody"], sent["HtmlBody"]) == ("Good day\n", "<p>Hi</p>")
    assert (sent["TrackOpens"], sent["TrackLinks"]) == (False, "None")
    headers = {row["Name"]: row["Value"] for row in sent["Headers"]}
    assert headers["Message-ID"] == f"<{mail.id.hex}@paifang.example>"
    assert headers["X-PM-KeepID"] == "true"


async def test_a_mail_without_html_has_no_such_part(double):
    (way,) = ways(double.url)
    assert (await way.send(make_mail())).state is MailState.SENT
    assert not {"html", "HtmlBody"} & set(double.sent[0])


async def test_one_mail_is_not_sent_twice_by_one_provider(double):
    mail = make_mail()
    (way,) = ways(double.url)
    double.script = [Odd(drop=True, takes=True)]  # it takes the mail, and its answer is lost
    assert (await way.send(mail)).trouble is Trouble.AWAY
    mail.attempts = 2
    assert await way.send(mail) == Outcome(MailState.SENT)
    assert len(double.sent) == 1


async def test_another_mail_to_the_same_address_is_another_mail(double):
    (way,) = ways(double.url)
    for _ in range(2):
        assert (await way.send(make_mail(attempts=2))).state is MailState.SENT
    assert len(double.sent) == 2


# What an answer means


@pytest.mark.parametrize(
    ("kind", "answer", "meaning"),
    [
        (ResendDouble, said(422, "validation_error", "Invalid `to` field."), "refused"),
        (ResendDouble, said(422, "invalid_to_address", "No."), "refused"),
        (ResendDouble, said(422, "validation_error", "Invalid `from` field."), "configuration"),
        (ResendDouble, said(401, "validation_error", "API key is invalid"), "configuration"),
        (ResendDouble, said(400, "validation_error", "API key is invalid"), "configuration"),
        (ResendDouble, said(403, "invalid_api_key", "API key is invalid"), "configuration"),
        (ResendDouble, said(403, "validation_error", "Only testing emails"), "configuration"),
        (ResendDouble, said(429, "rate_limit_exceeded", "Slowly"), "enough"),
        (ResendDouble, said(429, "daily_quota_exceeded", "Enough"), "enough"),
        (ResendDouble, said(409, "concurrent_idempotent_requests", "Wait"), "later"),
        (ResendDouble, said(409, "invalid_idempotent_request", "Other"), "later"),
        (ResendDouble, said(451, "security_error", "Hm"), "configuration"),
        (ResendDouble, said(500, "application_error", "Oh"), "away"),
        (PostmarkDouble, failed(422, 300, "Error parsing 'To': Illegal email address"), "refused"),
        (PostmarkDouble, failed(422, 300, "Invalid 'From' address: 'x'."), "configuration"),
        (PostmarkDouble, failed(422, 406, "You tried to send to an inactive recipient"), "refused"),
        (PostmarkDouble, failed(401, 10, "No valid token"), "configuration"),
        (PostmarkDouble, failed(422, 400, "Sender signature not found"), "configuration"),
        (PostmarkDouble, failed(422, 401, "Sender signature not confirmed"), "configuration"),
        (PostmarkDouble, failed(422, 405, "Not allowed to send"), "enough"),
        (PostmarkDouble, failed(422, 412, "Account is pending"), "configuration"),
        (PostmarkDouble, failed(422, 413, "Account may not send"), "configuration"),
        (PostmarkDouble, failed(429, 429, "Rate limit exceeded"), "enough"),
        (PostmarkDouble, failed(503, 100, "Maintenance"), "away"),
        (PostmarkDouble, failed(500, 0, "Internal server error"), "away"),
    ],
)  # fmt: skip
async def test_a_refusal_of_this_very_mail_is_final_and_nothing_else(kind, answer, meaning):
    async with kind() as double:
        (way,) = ways(double.url)
        double.script = [answer]
        outcome = await way.send(make_mail())
    refused = outcome.state is MailState.FAILED
    assert ("refused" if refused else outcome.trouble or "later") == meaning
    assert outcome.error


@pytest.mark.parametrize(
    "odd",
    [
        Odd(200, b"<html>Sign in to this network</html>"),
        Odd(200, b""),
        Odd(200, {"hello": "world"}),
        Odd(200, [1, 2]),
        Odd(200, b"[" * 100_000),
        Odd(200, b"\xff\xfe\x00"),
        Odd(302, b"", {"Location": "https://elsewhere.invalid/"}),
        Odd(502, b"<html>Bad gateway</html>"),
        Odd(404, b"Not found"),
        Odd(drop=True),
        Odd(200, {"id": None, "ErrorCode": "0"}),
        Odd(200, {"x": "y" * 400_000}),
    ],
)
async def test_what_is_no_answer_of_its_api_is_trouble_of_the_provider(double, odd):
    (way,) = ways(double.url)
    double.script = [odd]
    outcome = await way.send(make_mail())
    assert (outcome.state, outcome.trouble) == (MailState.QUEUED, Trouble.AWAY)
    assert len(double.requests) == 1  # a redirect is not followed


@pytest.mark.parametrize("odd", [Odd(hang=True), Odd(200, {"id": "x" * 40}, drip=0.1)])
async def test_a_provider_that_is_slow_is_given_up_in_time(double, odd):
    (way,) = ways(double.url, timeout=0.4)
    double.script = [odd]
    began = time.monotonic()
    outcome = await way.send(make_mail())
    assert time.monotonic() - began < 3
    assert outcome.trouble is Trouble.AWAY
    assert "within 0.4 s" in (outcome.error or "")


async def test_a_provider_that_is_not_there_is_away():
    async with ResendDouble() as double:
        url = double.url
    (way,) = ways(url)
    assert (await way.send(make_mail())).trouble is Trouble.AWAY


@pytest.mark.parametrize(
    ("header", "rest"),
    [("7", 7), ("0.5", 0.5), ("-3", 0), ("nan", None), ("soon", None), ("1e9", 6 * 3600)],
)
async def test_the_rest_a_provider_asks_for_is_known(double, header, rest):
    (way,) = ways(double.url)
    double.script = [
        Odd(429, {"name": "rate_limit_exceeded", "ErrorCode": 429}, {"Retry-After": header})
    ]
    assert (await way.send(make_mail())).rest == rest


async def test_a_rest_given_as_a_date_is_known(double):
    (way,) = ways(double.url)
    then = format_datetime(utc_now().replace(microsecond=0), usegmt=True)
    double.script = [Odd(429, {"name": "x", "ErrorCode": 429}, {"Retry-After": then})]
    assert (await way.send(make_mail())).rest == 0


async def test_a_quota_of_the_day_rests_longer_than_a_rate(resend):
    (way,) = ways(resend.url)
    resend.script = [said(429, "daily_quota_exceeded", "Enough for today")]
    assert (await way.send(make_mail())).rest == 3600


async def test_neither_the_key_nor_the_address_is_in_what_is_told(double, caplog):
    way = FailOver(ways(double.url))
    words = f"We don't like {double.key} and not ada@example.org or ADA@example.org"
    double.script = [Odd(403, {"name": "x", "message": words, "ErrorCode": 412, "Message": words})]
    outcome = await way.send(make_mail())
    assert "We don't like ***" in (outcome.error or "")
    for told in (outcome.error or "", caplog.text, way.ways[0].name, repr(way.ways[0])):
        assert double.key not in told
        assert "ada@" not in told.lower()


# Probing


async def test_a_probe_signs_in_and_sends_nothing(double):
    (way,) = ways(double.url)
    assert await way.probe()
    assert double.sent == []


async def test_a_probe_says_what_is_wrong(resend, postmark):
    (there, here) = ways(resend.url, postmark.url)
    resend.domains = {"paifang.example": "pending"}
    with pytest.raises(WayOutTrouble, match="is pending"):
        await there.probe()
    resend.domains = {}
    with pytest.raises(WayOutTrouble, match="not among its domains"):
        await there.probe()
    resend.may_only_send = True
    assert "may send and nothing else" in await there.probe()
    postmark.delivery = "Sandbox"
    with pytest.raises(WayOutTrouble, match="sandbox"):
        await here.probe()
    for double, way in ((resend, there), (postmark, here)):
        key, double.key = double.key, "another"
        with pytest.raises(WayOutTrouble, match="401") as caught:
            await way.probe()
        assert key not in str(caught.value)


async def test_a_probe_of_a_mail_server_signs_in():
    async with smtp_server(Postbox()) as port:
        (way,) = ways(f"smtp://{HOST}:{port}")
        assert await way.probe() == "answers, not encrypted, without a password"
    with pytest.raises(WayOutTrouble, match="SMTPConnectError"):
        await way.probe()


# Fail-over


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A way out that says what it is told to say."""

    attempt_seconds = 1.0

    def __init__(self, name: str, *outcomes: Outcome) -> None:
        self.name, self.outcomes, self.asked = name, list(outcomes), 0

    async def send(self, mail: mails.Mail) -> Outcome:
        del mail
        self.asked += 1
        return self.outcomes.pop(0) if self.outcomes else Outcome(MailState.SENT)

    async def probe(self) -> str:
        return "fine"


def in_trouble(kind: Trouble = Trouble.AWAY, rest: float | None = None) -> Outcome:
    return Outcome(MailState.QUEUED, f"it is {kind}", kind, rest)


async def test_the_next_way_takes_over_where_one_is_in_trouble():
    for kind in Trouble:
        first, second = Scripted("first", in_trouble(kind)), Scripted("second")
        outcome = await FailOver([first, second]).send(make_mail())
        assert (outcome.state, outcome.way) == (MailState.SENT, "second")


async def test_what_is_refused_for_good_is_not_tried_with_the_next():
    first = Scripted("first", Outcome(MailState.FAILED, "no such address"))
    second = Scripted("second")
    outcome = await FailOver([first, second]).send(make_mail())
    assert (outcome.state, outcome.error, outcome.way) == ("failed", "no such address", "first")
    assert second.asked == 0


async def test_a_mail_that_a_provider_has_in_hand_is_not_tried_with_the_next():
    first = Scripted("first", Outcome(MailState.QUEUED, "being sent", settled=True))
    second = Scripted("second")
    assert (await FailOver([first, second]).send(make_mail())).state is MailState.QUEUED
    assert second.asked == 0


async def test_a_mail_put_off_for_its_own_sake_does_not_send_its_way_to_rest():
    first = Scripted("first", Outcome(MailState.QUEUED, "greylisted"))
    way = FailOver([first, Scripted("second")])
    assert (await way.send(make_mail())).way == "second"
    assert (await way.send(make_mail())).way == "first"


async def test_trouble_is_remembered_so_that_not_every_mail_waits_for_a_dead_way():
    clock = Clock()
    first, second = Scripted("first", in_trouble(), in_trouble()), Scripted("second")
    way = FailOver([first, second], clock=clock)
    for _ in range(3):
        assert (await way.send(make_mail())).way == "second"
    assert first.asked == 1
    clock.now += RESTS[Trouble.AWAY] + 1
    await way.send(make_mail())
    assert first.asked == 2
    clock.now += RESTS[Trouble.AWAY] + 1  # its second rest is twice as long
    await way.send(make_mail())
    assert first.asked == 2
    clock.now += RESTS[Trouble.AWAY] + 1
    assert (await way.send(make_mail())).way == "first"
    assert (await way.send(make_mail())).way == "first"


async def test_the_rest_a_way_asks_for_is_given():
    clock = Clock()
    first = Scripted("first", in_trouble(Trouble.ENOUGH, rest=7.0))
    way = FailOver([first, Scripted("second")], clock=clock)
    await way.send(make_mail())
    clock.now += 6.9
    assert (await way.send(make_mail())).way == "second"
    clock.now += 0.2
    assert (await way.send(make_mail())).way == "first"


async def test_when_all_rest_the_one_that_rests_least_is_tried_alone():
    clock = Clock()
    first = Scripted("first", in_trouble(Trouble.CONFIGURATION))
    second = Scripted("second", in_trouble(rest=5.0))
    way = FailOver([first, second], clock=clock)
    outcome = await way.send(make_mail())
    assert outcome.error == "first: it is configuration; second: it is away"
    assert (await way.send(make_mail())).way == "second"
    assert (first.asked, second.asked) == (1, 2)


@given(st.lists(st.sampled_from([*Trouble, None]), max_size=30))
def test_no_rest_is_endless_and_a_success_ends_the_row(kinds):
    clock = Clock()
    outcomes = [in_trouble(kind) if kind else Outcome(MailState.SENT) for kind in kinds]
    first = Scripted("first", *outcomes)
    way = FailOver([first, Scripted("second")], clock=clock)

    async def story() -> None:
        for number in range(len(kinds)):
            await way.send(make_mail())
            assert first.asked == number + 1
            clock.now += LONGEST_REST

    asyncio.run(story())


async def test_a_mail_goes_out_by_the_second_provider_and_says_so(db: Database, resend, postmark):
    backend = FailOver(ways(resend.url, postmark.url))
    resend.script = [said(429, "rate_limit_exceeded", "Slowly", Retry_After="60")]
    mail_id = await put(db)
    assert await deliver(db, backend, mail_id=mail_id) is MailState.SENT
    mail = await stored(db, mail_id)
    assert mail.way == backend.ways[1].name
    assert mail.way.startswith("postmark")
    assert [m["To"] for m in postmark.sent] == ["ada@example.org"]


async def test_a_bad_address_ends_at_the_first_provider(db: Database, resend, postmark):
    backend = FailOver(ways(resend.url, postmark.url))
    mail_id = await put(db, to="ada@localhost")
    assert await deliver(db, backend, mail_id=mail_id) is MailState.FAILED
    mail = await stored(db, mail_id)
    assert (mail.way or "").startswith("resend")
    assert "422" in (mail.error or "")
    assert postmark.requests == []


async def test_from_a_provider_with_a_wrong_key_to_the_mail_server():
    box = Postbox()
    async with smtp_server(box) as port, ResendDouble() as resend:
        url = resend.url.replace(resend.key, "re_wrong")
        backend = FailOver(ways(url, smtp_url=f"smtp://{HOST}:{port}"))
        assert (await backend.send(make_mail())).way == f"smtp {HOST}:{port}"
        assert (await backend.send(make_mail())).way == f"smtp {HOST}:{port}"
    assert len(resend.requests) == 1
    assert len(box.received) == 2


@pytest.mark.parametrize(
    ("on", "answer", "trouble"),
    [
        ("on_rcpt", "550 5.7.1 relaying denied", "configuration"),
        ("on_rcpt", "530 5.7.0 authentication required", "configuration"),
        ("on_rcpt", "421 4.3.2 shutting down", "away"),
        ("on_data", "452 4.3.1 no room", None),
    ],
)
async def test_a_mail_server_that_does_not_want_us_is_in_trouble(on, answer, trouble):
    box = Postbox()
    setattr(box, on, answer)
    async with smtp_server(box) as port:
        (way,) = ways(f"smtp://{HOST}:{port}")
        outcome = await way.send(make_mail())
    assert (outcome.state, outcome.trouble) == (MailState.QUEUED, trouble)


# The setting


def test_the_ways_stand_in_the_order_they_are_written_and_the_mail_server_last():
    found = ways(
        "resend://re_A_b9", "postmark://aB-1?stream=broadcast",
        smtp_url="smtp://u:p@mail.example",
    )  # fmt: skip
    assert [way.name for way in found] == ["resend", "postmark", "smtp mail.example:587"]
    assert [way.base_url for way in found[:2]] == [
        "https://api.resend.com",
        "https://api.postmarkapp.com",
    ]


@pytest.mark.parametrize("between", [" ", "\n", ", ", ","])
def test_spaces_commas_and_lines_stand_between_ways(between):
    settings = MailSettings(providers=Secret(between.join(["resend://a", "smtps://mail.example"])))
    assert [way.name for way in open_ways(settings)] == ["resend", "smtp mail.example:465"]


@pytest.mark.parametrize(
    "text",
    [
        "hunter2", "resend:hunter2", "resend://", "resend://@host", "mailgun://hunter2",
        "resend://hunter2/path", "resend://hunter2?stream=x", "postmark://hunter2?strea=x",
        "resend://hunter2@host:99999", "resend://hunter2é", "smtp://", "resend://[hunter2",
        "resend://a https://hunter2", "resend://hun%20ter2",
    ],
)  # fmt: skip
def test_a_way_that_is_none_is_refused_without_its_key(text):
    with pytest.raises(SettingsError, match="PAIFANG_MAIL_PROVIDERS") as caught:
        ways(text)
    assert "hunter2" not in str(caught.value)


def test_the_key_stays_as_it_was_written():
    (way,) = ways("resend://re_AbC_xYz")
    assert way._key == "re_AbC_xYz"


async def test_the_same_settings_share_what_is_known_of_trouble():
    settings = MailSettings(providers=Secret("resend://a"), sender=SENDER)
    assert mails.shared_backend(settings) is mails.shared_backend(settings)
    assert mails.open_backend(settings) is not mails.open_backend(settings)


async def test_both_doubles_are_http_servers_that_end(double: ProviderDouble):
    reader, writer = await asyncio.open_connection(double.host, double.port)
    writer.write(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"401" in await reader.read()
    writer.close()
