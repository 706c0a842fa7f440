"""Looks at all that decides whether mail arrives."""

import asyncio
from collections.abc import Awaitable, Sequence
from email.headerregistry import Address

from paifang.core.db import utc_now
from paifang.core.ids import uuid7
from paifang.core.mail.checkup import records
from paifang.core.mail.checkup.names import Names, NotLookedUp
from paifang.core.mail.models import Mail, MailState
from paifang.core.mail.templates import Trial, render
from paifang.core.mail.ways import (
    PostmarkBackend,
    ResendBackend,
    SmtpBackend,
    Way,
    WayOutTrouble,
    open_ways,
    parse_sender,
)
from paifang.core.mail.ways.smtp import is_loopback
from paifang.core.module import Finding
from paifang.core.settings import MailSettings, SettingsError

_NOWHERE = (".local", ".localhost", ".invalid", ".internal", ".lan")


async def examine(
    settings: MailSettings, names: Names, *, selectors: Sequence[str] = ()
) -> list[Finding]:
    """The settings, each way out, and the records of the sender's domain; nothing is sent.

    Args:
        settings: What is set.
        names: Looks names up.
        selectors: DKIM selectors to look at; Resend's is known.
    """
    try:
        ways, sender = open_ways(settings), parse_sender(settings.sender)
    except SettingsError as error:
        return [Finding("error", "settings", str(error), "correct it, or leave it out")]
    findings = [_settings(ways, sender)]
    findings += await asyncio.gather(*(_probe(way) for way in ways))
    if not ways:
        return findings
    domain = sender.domain.lower()
    if "." not in domain or domain.endswith(_NOWHERE):
        said = f"mail is sent from {sender.addr_spec}, which nobody outside can check or answer"
        advice = "set PAIFANG_MAIL_SENDER to an address of a domain that is yours"
        return [*findings, Finding("error", "sender", said, advice)]
    return findings + await _domain(domain, ways, names, selectors)


async def send_trial(settings: MailSettings, *, to: str, link: str) -> list[Finding]:
    """Send a test mail by each way out, past any fail-over: one that nobody tried is none.

    Raises:
        BadMail: ``to`` is not an address.
        SettingsError: a setting can't be right.
    """
    ways = open_ways(settings)
    if not ways:
        said = "not sent: there is no way out, so mails stay in the dev inbox"
        return [Finding("off", "test mail", said, _SET_ONE)]
    return [await _send(way, to, link) for way in ways]


_SET_ONE = "set PAIFANG_MAIL_PROVIDERS or PAIFANG_MAIL_SMTP_URL to send them"


async def _send(way: Way, to: str, link: str) -> Finding:
    made = render(Trial(link=link, way=way.name), to=to, locale="en")
    mail = Mail(
        id=uuid7(),
        to=to,
        subject=made.subject,
        text=made.text,
        html=made.html,
        created_at=utc_now(),
        attempts=1,
    )
    outcome = await way.send(mail)
    if outcome.state is MailState.SENT:
        advice = "when it is there, its headers should say spf=pass, dkim=pass and dmarc=pass"
        return Finding("ok", "test mail", f"{way.name} has taken it", advice)
    return Finding("error", "test mail", f"{way.name} has not taken it: {outcome.error}")


def _settings(ways: Sequence[Way], sender: Address) -> Finding:
    if not ways:
        said = "no way out is set: every mail stays in the dev inbox and is not sent"
        return Finding("off", "settings", said, _SET_ONE)
    order = ", then ".join(way.name for way in ways)
    return Finding("ok", "settings", f"from {sender} by {order}")


async def _probe(way: Way) -> Finding:
    try:
        return Finding("ok", way.name, await way.probe())
    except WayOutTrouble as trouble:
        advice = "is it running and reachable from here, and is its key or password right?"
        return Finding("error", way.name, str(trouble), advice)


async def _domain(
    domain: str, ways: Sequence[Way], names: Names, selectors: Sequence[str]
) -> list[Finding]:
    servers = [way for way in ways if isinstance(way, SmtpBackend)]
    asked: list[tuple[str, Awaitable[list[Finding]]]] = []
    if servers:
        asked.append(("SPF", _spf(domain, servers, names)))
    if any(isinstance(way, ResendBackend) for way in ways):
        asked.append(("SPF", _resend_spf(domain, names)))
        selectors = [*selectors, *({"resend"} - set(selectors))]
    if any(isinstance(way, PostmarkBackend) for way in ways):
        asked.append(("return path", _return_path(domain, names)))
    asked += [("DKIM", _dkim(selector, domain, names)) for selector in selectors]
    if not selectors:
        asked.append(("DKIM", _no_selector()))
    asked += [("DMARC", _dmarc(domain, names)), ("MX", _mx(domain, names))]
    asked += [("PTR", _ptr(server.host, domain, names)) for server in servers]
    found = await asyncio.gather(*(_looked_up(subject, work) for subject, work in asked))
    return [finding for findings in found for finding in findings]


async def _looked_up(subject: str, work: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        return await work
    except NotLookedUp as error:
        advice = "is this machine online? --dns ADDRESS asks another name server"
        return [Finding("warning", subject, f"could not look up: {error}", advice)]


async def _spf(domain: str, servers: Sequence[SmtpBackend], names: Names) -> list[Finding]:
    wanted = [records.include_for(server.host, domain) for server in servers]
    texts = await names.find(domain, "TXT")
    own = any(is_loopback(server.host) for server in servers)
    return [records.spf(domain, texts, list(dict.fromkeys(filter(None, wanted))), own=own)]


async def _resend_spf(domain: str, names: Names) -> list[Finding]:
    # Resend's envelopes come from below the domain.
    name = f"send.{domain}"
    return [records.spf(name, await names.find(name, "TXT"), ["include:amazonses.com"])]


async def _return_path(domain: str, names: Names) -> list[Finding]:
    name = f"pm-bounces.{domain}"
    found = await names.find(name, "CNAME")
    if any(target.lower() == "pm.mtasv.net" for target in found):
        return [Finding("ok", "return path", f"{name} is Postmark's")]
    said = "bounces go to Postmark's own domain; that is allowed, but SPF does not count for DMARC"
    return [Finding("off", "return path", said, f"add the record: {name}.  CNAME  pm.mtasv.net.")]


async def _dkim(selector: str, domain: str, names: Names) -> list[Finding]:
    texts = await names.find(f"{selector}._domainkey.{domain}", "TXT")
    return [records.dkim(selector, domain, texts)]


async def _no_selector() -> list[Finding]:
    said = "not looked at: a signature's key can only be found by its selector"
    advice = "--dkim SELECTOR looks; the selector is s= in the DKIM-Signature of a mail you sent"
    return [Finding("off", "DKIM", said, advice)]


async def _dmarc(domain: str, names: Names) -> list[Finding]:
    # The domain's own record, else that of the nearest one above it; a top-level one has none.
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        name = ".".join(labels[start:])
        texts = await names.find(f"_dmarc.{name}", "TXT")
        if any(text.lower().startswith("v=dmarc1") for text in texts):
            return [records.dmarc(domain, name, texts)]
    return [records.dmarc(domain, domain, [])]


async def _mx(domain: str, names: Names) -> list[Finding]:
    return [records.mx(domain, await names.find(domain, "MX"))]


async def _ptr(host: str, domain: str, names: Names) -> list[Finding]:
    if is_loopback(host):
        said = "not looked at: which address this machine sends from can't be known here"
        advice = "its reverse name (PTR) must lead to a name that leads back to it"
        return [Finding("off", "PTR", said, advice)]
    if host != domain and not host.endswith(f".{domain}"):
        return []  # a provider's server, and the provider's business
    addresses = await names.find(host, "A") + await names.find(host, "AAAA")
    findings = []
    for address in addresses:
        called = await names.find(address, "PTR")
        back = await names.find(called[0], "AAAA" if ":" in address else "A") if called else []
        findings.append(records.ptr(host, address, called, back))
    return findings
