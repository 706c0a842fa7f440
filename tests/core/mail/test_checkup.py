"""The doctor's look at mail, with a name server, a mail server and providers on the loopback."""

import asyncio
import base64
import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from click.testing import CliRunner

from doubles.mail_providers import Odd, PostmarkDouble, ResendDouble, said
from doubles.name_server import Zone, name_server
from doubles.smtp import HOST, Postbox, smtp_server
from paifang.cli import main
from paifang.core.mail.checkup import DnsNames, NotLookedUp, examine, records, send_trial
from paifang.core.mail.checkup.checkup import _ptr
from paifang.core.module import Finding
from paifang.core.settings import MailSettings, Secret, SettingsError

KEY = base64.b64encode(b"k" * 294).decode()
GOOD_DKIM = f"v=DKIM1; k=rsa; p={KEY}"


def settings(*urls: str, sender: str = "P <p@paifang.example>") -> MailSettings:
    return MailSettings(providers=Secret(" ".join(urls)), sender=sender, timeout=2.0)


def well_kept() -> Zone:
    """A domain with nothing to mend."""
    zone = Zone()
    zone.add(
        "paifang.example", "TXT", "some-site-verification=x", "v=spf1 mx include:x.example ~all"
    )
    zone.add("send.paifang.example", "TXT", "v=spf1 include:amazonses.com ~all")
    zone.add("resend._domainkey.paifang.example", "TXT", GOOD_DKIM)
    zone.add("pm-bounces.paifang.example", "CNAME", "pm.mtasv.net.")
    zone.add(
        "_dmarc.paifang.example", "TXT", "v=DMARC1; p=quarantine; rua=mailto:d@paifang.example"
    )
    zone.add("paifang.example", "MX", "10 mail.paifang.example.")
    return zone


def by_subject(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


async def test_a_domain_that_is_well_kept_has_nothing_to_mend():
    zone = well_kept()
    async with (
        name_server(zone) as server,
        smtp_server(Postbox()) as port,
        ResendDouble() as resend,
        PostmarkDouble() as postmark,
    ):
        found = await examine(
            settings(resend.url, postmark.url, f"smtp://{HOST}:{port}"), DnsNames(server)
        )
    assert [f for f in found if f.level in {"error", "warning"}] == []
    subjects = by_subject(found)
    assert subjects["DKIM"].message == "resend._domainkey.paifang.example has a key"
    assert "resend" in subjects["settings"].message
    assert {"SPF", "DKIM", "DMARC", "MX", "PTR", "return path"} <= set(subjects)


async def test_what_is_missing_is_told_with_the_record_to_add():
    zone = Zone()
    zone.add("paifang.example", "A", "192.0.2.1")
    async with name_server(zone) as server, ResendDouble() as resend, PostmarkDouble() as postmark:
        found = by_subject(await examine(settings(resend.url, postmark.url), DnsNames(server)))
    advice = {subject: finding.advice for subject, finding in found.items()}
    assert 'send.paifang.example.  TXT  "v=spf1 include:amazonses.com ~all"' in advice["SPF"]
    assert '_dmarc.paifang.example.  TXT  "v=DMARC1; p=none' in advice["DMARC"]
    assert "paifang.example.  MX  10" in advice["MX"]
    assert "pm-bounces.paifang.example.  CNAME  pm.mtasv.net." in advice["return path"]
    assert "resend._domainkey.paifang.example has no key" in found["DKIM"].message


async def test_a_selector_that_is_given_is_looked_at():
    zone = well_kept()
    zone.add("s1._domainkey.paifang.example", "TXT", GOOD_DKIM)
    async with name_server(zone) as server, smtp_server(Postbox()) as port:
        url = f"smtp://{HOST}:{port}"
        found = await examine(settings(url), DnsNames(server), selectors=("s1", "s2"))
        none = by_subject(await examine(settings(url), DnsNames(server)))
    assert [f.level for f in found if f.subject == "DKIM"] == ["ok", "warning"]
    assert none["DKIM"].level == "off"
    assert "--dkim SELECTOR" in none["DKIM"].advice


async def test_a_provider_that_refuses_us_is_an_error():
    async with name_server(well_kept()) as server, ResendDouble() as resend:
        resend.domains = {}
        found = by_subject(await examine(settings(resend.url), DnsNames(server)))
    name = f"resend {HOST}:{resend.port}"
    assert found[name].level == "error"
    assert "not among its domains" in found[name].message


@pytest.mark.parametrize("mode", ["silent", "broken", "garbage", "away"])
async def test_without_a_name_server_it_says_so_and_does_not_hang(mode):
    zone = well_kept()
    zone.mode = mode
    async with ResendDouble() as resend:
        async with name_server(zone) as server:
            if mode != "away":
                began = time.monotonic()
                found = await examine(settings(resend.url), DnsNames(server, patience=0.5))
        if mode == "away":
            began = time.monotonic()
            found = await examine(settings(resend.url), DnsNames(server, patience=0.5))
    assert time.monotonic() - began < 10
    for subject in ("SPF", "DKIM", "DMARC", "MX"):
        finding = by_subject(found)[subject]
        assert finding.level == "warning"
        assert finding.message.startswith("could not look up: ")


async def test_without_a_way_out_nothing_is_looked_up():
    zone = Zone()
    async with name_server(zone) as server:
        (finding,) = await examine(settings(), DnsNames(server))
    assert (finding.level, zone.asked) == ("off", [])


@pytest.mark.parametrize("sender", ["p@localhost", "p@box.local", "p@nas.lan"])
async def test_a_sender_nobody_can_check_is_an_error(sender):
    zone = Zone()
    async with name_server(zone) as server, smtp_server(Postbox()) as port:
        found = await examine(settings(f"smtp://{HOST}:{port}", sender=sender), DnsNames(server))
    assert by_subject(found)["sender"].level == "error"
    assert zone.asked == []


async def test_a_setting_that_can_not_be_right_is_told_alone():
    (finding,) = await examine(settings("resend://"), DnsNames("127.0.0.1:9"))
    assert (finding.subject, finding.level) == ("settings", "error")


# The records


@pytest.mark.parametrize(
    ("texts", "level", "said"),
    [
        ([], "warning", "does not say who may send"),
        (["v=spf10 all"], "warning", "does not say who may send"),
        (["v=spf1 -all", "v=spf1 mx -all"], "error", "2 records"),
        (["v=spf1 +all"], "error", "lets everybody send"),
        (["v=spf1 mx all"], "error", "lets everybody send"),
        (["v=spf1 " + "include:x.example " * 11 + "~all"], "error", "11 look-ups"),
        (["v=spf1 mx ~all"], "warning", "does not name include:a.example"),
        (["V=SPF1 INCLUDE:A.example -all"], "ok", "INCLUDE:A.example"),
        (["google-site=1", "v=spf1 include:a.example ~all"], "ok", "include:a.example"),
    ],
)
def test_spf_is_told_in_plain_words(texts, level, said):
    finding = records.spf("p.example", texts, ["include:a.example"])
    assert finding.level == level
    assert said in finding.message
    assert (level == "ok") == (not finding.advice)


@pytest.mark.parametrize(
    ("host", "term"),
    [
        ("smtp.gmail.com", "include:_spf.google.com"),
        ("email-smtp.eu-west-1.amazonaws.com", "include:amazonses.com"),
        ("mail.p.example", "a:mail.p.example"),
        ("p.example", "a:p.example"),
        ("mail.elsewhere.example", ""),
        ("notgmail.com", ""),
    ],
)
def test_spf_has_to_name_the_mail_server(host, term):
    assert records.include_for(host, "p.example") == term


def test_who_sends_by_himself_puts_the_machine_into_spf():
    assert "ip4:<this machine's address>" in records.spf("p.example", [], [], own=True).advice


@pytest.mark.parametrize(
    ("texts", "level", "said"),
    [
        ([], "warning", "has no key"),
        (["hello"], "warning", "has no key"),
        (["v=DKIM1; p="], "error", "revoked"),
        (["v=DKIM1; p=?!"], "error", "can't be read"),
        ([f"v=DKIM1; p={base64.b64encode(b'k' * 90).decode()}"], "error", "under 1024 bits"),
        ([f"v=DKIM1; k=ed25519; p={base64.b64encode(b'k' * 32).decode()}"], "ok", "has a key"),
        ([f"p={KEY[:40]} {KEY[40:]}"], "ok", "has a key"),
    ],
)
def test_dkim_is_told_in_plain_words(texts, level, said):
    finding = records.dkim("s", "p.example", texts)
    assert finding.level == level
    assert said in finding.message


@pytest.mark.parametrize(
    ("texts", "level", "said"),
    [
        ([], "warning", "does not say what to do"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "error", "2 records"),
        (["v=DMARC1"], "error", "no policy"),
        (["v=DMARC1; p=maybe"], "error", "no policy"),
        (["v=DMARC1;p=reject"], "ok", "p=reject"),
        (["v=DMARC1; p=None"], "ok", "p=None"),
    ],
)
def test_dmarc_is_told_in_plain_words(texts, level, said):
    finding = records.dmarc("p.example", "p.example", texts)
    assert finding.level == level
    assert said in finding.message


async def test_dmarc_of_the_domain_above_counts():
    zone = well_kept()
    zone.add("_dmarc.news.paifang.example", "TXT", "not a policy")
    async with name_server(zone) as server, smtp_server(Postbox()) as port:
        sender = "p@news.paifang.example"
        found = await examine(settings(f"smtp://{HOST}:{port}", sender=sender), DnsNames(server))
    assert by_subject(found)["DMARC"].message.startswith("_dmarc.paifang.example: ")
    assert ("_dmarc.example", "TXT") not in zone.asked


@pytest.mark.parametrize(
    ("answers", "level"), [([], "warning"), (["0 ."], "warning"), (["10 mail.p.example"], "ok")]
)
def test_mx_is_told_in_plain_words(answers, level):
    assert records.mx("p.example", answers).level == level


@pytest.mark.parametrize(
    ("called", "back", "level", "said"),
    [
        (None, None, "error", "has no reverse name"),
        ("other.example.", "192.0.2.9", "error", "does not lead back"),
        ("mail.p.example.", "192.0.2.1", "ok", "and back"),
    ],
)
async def test_an_own_mail_server_needs_a_name_that_leads_back_to_it(called, back, level, said):
    zone = Zone()
    zone.add("mail.p.example", "A", "192.0.2.1")
    if called:
        zone.add("192.0.2.1", "PTR", called)
    if back and back != "192.0.2.1":
        zone.add("other.example", "A", back)
    async with name_server(zone) as server:
        (finding,) = await _ptr("mail.p.example", "p.example", DnsNames(server))
        assert await _ptr("smtp.provider.example", "p.example", DnsNames(server)) == []
    assert finding.level == level
    assert said in finding.message


async def test_names_are_found_as_text():
    zone = Zone()
    zone.add("p.example", "TXT", "x" * 600)
    zone.add("p.example", "MX", "0 .")
    zone.add("2001:db8::1", "PTR", "six.p.example.")
    async with name_server(zone) as server:
        names = DnsNames(server)
        assert await names.find("p.example", "TXT") == ["x" * 600]
        assert await names.find("p.example", "MX") == ["0 ."]
        assert await names.find("2001:db8::1", "PTR") == ["six.p.example"]
        assert await names.find("nobody.example", "A") == []
        assert await names.find("p.example", "AAAA") == []
        with pytest.raises(NotLookedUp):
            await names.find("a" * 70 + ".example", "A")


@pytest.mark.parametrize("server", ["localhost", "1.2.3", "127.0.0.1:x", ":53", "[::1]x"])
def test_a_name_server_is_given_by_its_address(server):
    with pytest.raises(ValueError, match=r"."):
        DnsNames(server)


def test_a_name_server_may_have_a_port():
    assert DnsNames("127.0.0.1:5353")._server == ("127.0.0.1", 5353)
    assert DnsNames("[::1]:5353")._server == ("::1", 5353)
    assert DnsNames("::1")._server == ("::1", 53)


# The test mail


async def test_the_test_mail_goes_out_by_each_way():
    box = Postbox()
    async with smtp_server(box) as port, ResendDouble() as resend, PostmarkDouble() as postmark:
        postmark.script = [said(500, "x", "broken")]
        chosen = settings(resend.url, postmark.url, f"smtp://{HOST}:{port}")
        found = await send_trial(chosen, to="ada@example.org", link="https://p.example")
    assert [f.level for f in found] == ["ok", "error", "ok"]
    assert resend.sent[0]["subject"] == "A test mail from p.example"
    assert box.received[0]["To"] == "ada@example.org"
    assert f"It has arrived by resend {HOST}:{resend.port}." in resend.sent[0]["text"]


async def test_without_a_way_out_no_test_mail_is_sent():
    (finding,) = await send_trial(settings(), to="ada@example.org", link="https://p.example")
    assert finding.level == "off"
    with pytest.raises(SettingsError):
        await send_trial(settings("resend://"), to="ada@example.org", link="https://p.example")


# The command


async def run(tmp_path: Any, *arguments: str, **environ: str) -> Any:
    values = {"PAIFANG_HOME": str(tmp_path), "PAIFANG_MAIL_SENDER": "p@paifang.example"} | environ
    runner = CliRunner(env=values)
    return await asyncio.to_thread(runner.invoke, main, ["doctor", "mail", *arguments])


async def test_the_command_looks_and_sends(tmp_path):
    async with name_server(well_kept()) as server, ResendDouble() as resend:
        environ = {"PAIFANG_MAIL_PROVIDERS": resend.url}
        ran = await run(tmp_path, "--to", "ada@example.org", "--dns", server, "--json", **environ)
        assert (ran.exit_code, ran.exception) == (0, None), ran.output
        found = json.loads(ran.output)
        assert [f["subject"] for f in found][-1] == "test mail"
        resend.script = [Odd(500)] * 2
        ran = await run(tmp_path, "--to", "ada@example.org", "--dns", server, **environ)
    assert ran.exit_code == 1
    assert resend.key not in ran.output
    assert len(resend.sent) == 1
    assert "test mail" in ran.output


@pytest.mark.parametrize("arguments", [("--to", "nobody"), ("--dns", "nowhere")])
async def test_an_option_that_can_not_be_right_is_refused(tmp_path, arguments):
    assert (await run(tmp_path, *arguments)).exit_code == 2


async def test_a_setting_that_can_not_be_right_ends_the_command_before_any_mail(tmp_path):
    ran = await run(tmp_path, "--to", "a@b.example", PAIFANG_MAIL_PROVIDERS="mailgun://hunter2")
    assert ran.exit_code == 1
    assert "PAIFANG_MAIL_PROVIDERS" in ran.output
    assert "hunter2" not in ran.output
