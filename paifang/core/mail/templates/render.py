"""From a record of values to the subject, the plain text and the HTML of a mail."""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from paifang.core.mail.message import MAX_SUBJECT
from paifang.core.mail.templates.layout import Letter, as_html, as_text
from paifang.core.mail.templates.records import RECORDS, FactorChange, GroupRole, Template, Values
from paifang.core.mail.templates.texts import Language, language_for

MAX_VALUE = 64
"""Characters of a value that people chose: a name, a device."""
_LINKS = frozenset({"link", "reset_link"})
_ADDRESSES = frozenset({"new_email", "applicant"})
_OURS = frozenset({"site", "address", "way"})
"""Ours, or read from the connection."""
_FACTS = ("device", "address", "at")
_DOT = re.compile(r"(?<=\w)[.\u3002\uff0e\uff61](?=[^\W\d])")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's content."""

    subject: str
    text: str
    html: str


def as_record(template: Template, values: Values | Mapping[str, Any]) -> Values:
    """The values as the template's record.

    Raises:
        ValueError: they are another template's, or fields are missing or too many.
    """
    record = RECORDS[template]
    if isinstance(values, Values):
        if type(values) is not record:
            raise ValueError(f"{template} wants {record.__name__}, not {type(values).__name__}")
        return values
    try:
        return record(**values)
    except TypeError as error:
        raise ValueError(f"{template}: {error}") from error


def render(values: Values, *, to: str, locale: str) -> Rendered:
    """The mail in the language nearest to a locale.

    Args:
        values: A template's record.
        to: The recipient's address.
        locale: A language tag; see :func:`~paifang.core.mail.templates.texts.language_for`.

    Raises:
        ValueError: a link is not an absolute HTTP URL.
    """
    language = language_for(locale)
    text = language.texts[values.template]
    filled = _filled(values, language, to)

    def fill(line: str) -> str:
        return line.format_map(filled)

    labels = {"device": language.device, "address": language.address, "at": language.at}
    letter = Letter(
        lang=language.tag,
        fonts=language.fonts,
        subject=fill(text.subject)[:MAX_SUBJECT],
        preheader=fill(text.preheader),
        site=filled["site"],
        title=fill(text.title),
        lines=[fill(line) for line in text.lines],
        facts=[(labels[name], filled[name]) for name in _FACTS if filled.get(name)],
        button=fill(text.button),
        link=filled["link"],
        copy_link=language.copy_link,
        not_you=[fill(line) for line in text.not_you],
        footer=language.footer.format_map(filled),
    )
    return Rendered(letter.subject, as_text(letter, language.colon), as_html(letter))


def _filled(values: Values, language: Language, to: str) -> dict[str, str]:
    filled = {"to": to}
    for field in dataclasses.fields(values):
        filled[field.name] = _shown(field.name, getattr(values, field.name), language)
    filled["site"] = filled["site"] or urlsplit(values.link).netloc
    return filled


def _shown(name: str, value: Any, language: Language) -> str:
    """A value as people read it."""
    match value:
        case None:
            text = ""
        case timedelta():
            text = language.duration(value)
        case datetime():
            text = f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        case FactorChange():
            text = language.changes[value]
        case GroupRole():
            text = language.roles[value]
        case _ if name in _LINKS:
            text = _checked_link(name, str(value))
        case _ if name in _ADDRESSES:
            text = _clean(str(value), 320)
        case _ if name in _OURS:
            text = _clean(str(value), MAX_VALUE)
        case _:
            text = unlinked(str(value))
    return text


def _checked_link(name: str, link: str) -> str:
    """Only what a mail program opens in a browser, and nothing that ends the link early."""
    try:
        parts = urlsplit(link)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or not link.isascii() or re.search(r"[\s<>\"'\\^`{|}\x00-\x20\x7f]", link):
        raise ValueError(f"{name} is not an absolute http or https URL")
    return link


def unlinked(text: str) -> str:
    """A text that people chose, on one line, short, and such that no mail program makes a link of
    it: who may name a group shall not mail an advertisement in our name.
    """
    return _clean(_DOT.sub(". ", text.replace("://", ": ").replace("@", " @ ")), MAX_VALUE)


def _clean(text: str, longest: int) -> str:
    # Marks that turn the direction of the line would let a name hide what stands behind it.
    visible = "".join(
        " " if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else character
        for character in text
    )
    line = " ".join(visible.split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"
