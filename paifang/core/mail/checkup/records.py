"""What the records of a sender's domain say, in plain words, and which to add."""

import base64
import binascii
import re
from collections.abc import Sequence

from paifang.core.module import Finding

MOST_LOOKUPS = 10
"""RFC 7208, 4.6.4: a record that needs more of them counts as broken."""
SHORTEST_KEY = 160
"""Bytes of an RSA key of 1024 bits, as DKIM writes it; shorter ones are refused."""

_LOOKS_UP = re.compile(r"[+?~-]?(include:|a\b|mx\b|ptr\b|exists:)|redirect=")
_INCLUDES = {
    "gmail.com": "_spf.google.com",
    "google.com": "_spf.google.com",
    "amazonaws.com": "amazonses.com",
    "sendgrid.net": "sendgrid.net",
    "mailgun.org": "mailgun.org",
    "brevo.com": "spf.brevo.com",
    "office365.com": "spf.protection.outlook.com",
    "outlook.com": "spf.protection.outlook.com",
    "fastmail.com": "spf.messagingengine.com",
    "postmarkapp.com": "spf.mtasv.net",
}
"""What SPF has to name for some providers' mail servers."""


def include_for(host: str, domain: str) -> str:
    """The SPF term that lets a mail server send for a domain; empty when nobody knows it."""
    for known, include in _INCLUDES.items():
        if host == known or host.endswith(f".{known}"):
            return f"include:{include}"
    return f"a:{host}" if host == domain or host.endswith(f".{domain}") else ""


def spf(name: str, texts: Sequence[str], wanted: Sequence[str], *, own: bool = False) -> Finding:
    """Who may send for a name.

    Args:
        name: The name the record is of.
        texts: Its TXT records.
        wanted: Terms that should be in it.
        own: Whether this machine sends by itself.
    """
    found = [text for text in texts if re.match(r"v=spf1(\s|$)", text, re.IGNORECASE)]
    unknown = "ip4:<this machine's address>" if own else "include:<what your mail provider names>"
    terms = " ".join(wanted) or unknown
    record = f'{name}.  TXT  "v=spf1 {terms} ~all"'
    if not found:
        said = f"{name} does not say who may send for it"
        return Finding("warning", "SPF", said, f"add the record: {record}")
    if len(found) > 1:
        said = f"{name} has {len(found)} records that begin with v=spf1, so none of them counts"
        return Finding("error", "SPF", said, "make one of them, with the terms of all")
    text = found[0]
    words = text.lower().split()
    if "+all" in words or "all" in words:
        advice = 'end it with "~all" instead'
        return Finding("error", "SPF", f"{name} lets everybody send: {text}", advice)
    lookups = sum(
        bool(re.match(r"[+?~-]?(include:|a\b|mx\b|ptr\b|exists:)|redirect=", w)) for w in words
    )
    if lookups > MOST_LOOKUPS:
        said = f"{name} needs {lookups} look-ups, more than the {MOST_LOOKUPS} that are made"
        return Finding("error", "SPF", said, "take out what you no longer send with")
    missing = [term for term in wanted if term.lower() not in [w.lstrip("+") for w in words]]
    # An own server may also be meant by "mx", "a" or its address.
    if missing and any(term.startswith("include:") for term in missing):
        said = f"{name} does not name {' '.join(missing)}: {text}"
        return Finding("warning", "SPF", said, f"put {' '.join(missing)} in front of its all")
    return Finding("ok", "SPF", f"{name}: {text}")


def dkim(selector: str, domain: str, texts: Sequence[str]) -> Finding:
    """The key that signatures are checked with."""
    name = f"{selector}._domainkey.{domain}"
    found = [text for text in texts if "p=" in text]
    if not found:
        return Finding(
            "warning",
            "DKIM",
            f"{name} has no key, so signatures with the selector {selector} can't be checked",
            "add the record that your mail provider or your mail server shows for it",
        )
    tags = _tags(found[0])
    if not tags.get("p"):
        said = f"{name} has an empty key: it was revoked"
        return Finding("error", "DKIM", said, "sign with another selector")
    try:
        size = len(base64.b64decode(re.sub(r"\s", "", tags["p"]), validate=True))
    except (binascii.Error, ValueError):
        said = f"{name} holds a key that can't be read"
        return Finding("error", "DKIM", said, "copy it again; nothing may be missing at its end")
    if tags.get("k", "rsa") == "rsa" and size < SHORTEST_KEY:
        said = f"{name} holds a key of under 1024 bits, which many refuse"
        return Finding("error", "DKIM", said, "make one of 2048 bits")
    return Finding("ok", "DKIM", f"{name} has a key")


def dmarc(domain: str, found_at: str, texts: Sequence[str]) -> Finding:
    """What is to happen with mail in the domain's name that fails both.

    Args:
        domain: The sender's domain.
        found_at: The name, it or one above it, whose records these are.
        texts: The TXT records of its ``_dmarc``.
    """
    found = [text for text in texts if re.match(r"v\s*=\s*DMARC1\s*(;|$)", text, re.IGNORECASE)]
    if not found:
        policy = f'"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"'
        return Finding(
            "warning",
            "DMARC",
            f"{domain} does not say what to do with mail that only pretends to be from it",
            f"add the record: _dmarc.{domain}.  TXT  {policy}",
        )
    if len(found) > 1:
        said = f"_dmarc.{found_at} has {len(found)} records, so none of them counts"
        return Finding("error", "DMARC", said, "keep one")
    tags = _tags(found[0])
    policy = tags.get("p", "").lower()
    where = f"_dmarc.{found_at}"
    if policy not in {"none", "quarantine", "reject"}:
        said = f"{where} has no policy that counts: {found[0]}"
        return Finding("error", "DMARC", said, "write p=none, p=quarantine or p=reject into it")
    advice = ""
    if policy == "none":
        advice = "once its reports show nothing but your own mail, turn it into p=quarantine"
    return Finding("ok", "DMARC", f"{where}: {found[0]}", advice)


def mx(domain: str, records: Sequence[str]) -> Finding:
    """Where answers and bounces to the sender go."""
    advice = f"add the record: {domain}.  MX  10 <your mail server>"
    if not records:
        said = f"{domain} names no server that takes mail, so bounces and answers are lost"
        return Finding("warning", "MX", said, advice)
    if any(record.split()[-1] == "." for record in records):
        said = f"{domain} says that it takes no mail; some refuse mail from where none is taken"
        return Finding("warning", "MX", said, advice)
    return Finding("ok", "MX", f"{domain}: {', '.join(sorted(records))}")


def ptr(host: str, address: str, names: Sequence[str], forward: Sequence[str]) -> Finding:
    """Whether a mail server's address has a name that leads back to it.

    Args:
        host: The server.
        address: One of its addresses.
        names: The names of the address.
        forward: The addresses of those names.
    """
    advice = f"ask whoever rents you {address} to set its reverse name (PTR) to {host}"
    if not names:
        said = f"{host} at {address} has no reverse name; Gmail and others refuse its mail"
        return Finding("error", "PTR", said, advice)
    if address not in forward:
        said = f"{address} is called {names[0]}, but {names[0]} does not lead back to it"
        return Finding("error", "PTR", said, f"{advice}, or give {names[0]} that address")
    return Finding("ok", "PTR", f"{address} is {names[0]} and back")


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}
