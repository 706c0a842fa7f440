"""The mails Paifang writes: each in each language, whole, escaped, and alike."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from string import Formatter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paifang.core import mail as mails
from paifang.core.mail.message import MAX_BODY, check_content
from paifang.core.mail.templates import (
    RECORDS,
    Rendered,
    Template,
    Trial,
    Values,
    as_record,
    render,
)
from paifang.core.mail.templates.render import MAX_VALUE, unlinked
from paifang.core.mail.templates.texts import LANGUAGES, Text, language_for
from paifang.core.mail.templates.texts.text import parts

LINK = "https://paifang.example/verify?a=1&b=2#token=abc"
NASTY = "<b>&\"'{to}{nothing}%s</b>"
ASKED: dict[str, Any] = {
    "device": "Firefox on Windows",
    "address": "203.0.113.7",
    "at": datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
}
DAY = timedelta(hours=24)

VALUES: tuple[Values, ...] = (
    mails.VerifyEmail(link=LINK, valid=DAY, **ASKED),
    mails.AccountExists(link=LINK, reset_link="https://paifang.example/forgot", **ASKED),
    mails.ResetPassword(link=LINK, valid=timedelta(minutes=30), **ASKED),
    mails.EmailChangeConfirm(link=LINK, valid=DAY, **ASKED),
    mails.EmailChangeNotice(link=LINK, new_email="new@example.net", **ASKED),
    mails.NewSignIn(link=LINK, **ASKED),
    mails.PasswordChanged(link=LINK, **ASKED),
    mails.FactorChanged(link=LINK, change=mails.FactorChange.TOTP_ADDED, **ASKED),
    mails.Invitation(link=LINK, inviter="Grace", valid=timedelta(days=7)),
    mails.GroupInvitation(
        link=LINK, inviter="Grace", group="Team", role=mails.GroupRole.MEMBER, valid=DAY
    ),
    mails.ApprovalNeeded(link=LINK, applicant="new@example.net"),
    mails.Approved(link=LINK),
    Trial(link=LINK, way="resend"),
)
each_value = pytest.mark.parametrize("values", VALUES, ids=lambda values: str(values.template))
each_locale = pytest.mark.parametrize("locale", list(LANGUAGES))


def texts_of(text: Text) -> list[str]:
    return [text.subject, text.preheader, text.title, *text.lines, text.button, *text.not_you]


def placeholders(text: Text) -> set[str]:
    return {name for line in texts_of(text) for _, name, _, _ in Formatter().parse(line) if name}


class Page(HTMLParser):
    """What a mail program sees of the HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "br"}:
            self._open.append(tag)
        found = dict(attrs)
        if tag == "a":
            self.links.append(found["href"])
        self.loads += [found[name] for name in ("src", "background", "srcset") if name in found]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)


def test_every_template_is_tested_here():
    assert {type(values) for values in VALUES} == set(RECORDS.values())
    assert set(RECORDS) == set(Template)


@each_value
@each_locale
def test_every_template_renders_in_every_language(values, locale):
    made = render(values, to="ada@example.org", locale=locale)
    check_content(subject=made.subject, text=made.text, html=made.html)
    page = Page(made.html)
    for part in (made.subject, made.text, "".join(page.words)):
        assert "{" not in part
        assert "None" not in part
        assert "!" not in part
        assert "！" not in part  # noqa: RUF001  # the Chinese one
    assert f'lang="{locale}"' in made.html
    assert "paifang.example" in made.subject  # who writes
    assert len(made.html.encode()) < MAX_BODY / 4


@each_value
@each_locale
def test_every_link_is_there_as_plain_text_too(values, locale):
    made = render(values, to="ada@example.org", locale=locale)
    page = Page(made.html)
    links = {getattr(values, f.name) for f in dataclasses.fields(values) if "link" in f.name}
    assert set(page.links) == links
    for link in links:
        assert link in "".join(page.words)
        assert link in made.text
    assert LINK in made.text.split("\n")  # on a line of its own, so that none is broken


@each_value
@each_locale
def test_nothing_is_loaded_from_anywhere(values, locale):
    made = render(values, to="ada@example.org", locale=locale)
    page = Page(made.html)
    assert page.loads == []
    assert not {"img", "script", "link", "iframe", "form", "object", "base"} & set(page.tags)
    assert "url(" not in made.html
    assert "@import" not in made.html


@pytest.mark.parametrize("template", list(Template))
def test_all_languages_have_the_same_placeholders(template):
    found = {tag: placeholders(language.texts[template]) for tag, language in LANGUAGES.items()}
    assert len(set(map(frozenset, found.values()))) == 1, found
    known = {field.name for field in dataclasses.fields(RECORDS[template])} | {"to"}
    for names in found.values():
        assert names <= known


@pytest.mark.parametrize("template", list(Template))
def test_all_languages_have_as_many_paragraphs(template):
    found = {
        (len(language.texts[template].lines), len(language.texts[template].not_you))
        for language in LANGUAGES.values()
    }
    assert len(found) == 1


@each_locale
def test_every_language_says_how_long_a_link_holds_and_what_to_do(locale):
    for values in VALUES:
        made = render(values, to="ada@example.org", locale=locale)
        assert LANGUAGES[locale].texts[values.template].not_you
        if hasattr(values, "valid"):
            assert LANGUAGES[locale].duration(values.valid) in made.text
        if getattr(values, "device", ""):
            for part in ("Firefox on Windows", "203.0.113.7", "2026-05-01 12:30 UTC"):
                assert part in made.text
                assert part in made.html


@each_locale
def test_what_is_not_known_of_who_asked_is_left_out(locale):
    made = render(mails.ResetPassword(link=LINK, valid=DAY), to="a@b.example", locale=locale)
    language = LANGUAGES[locale]
    for label in (language.device, language.at):
        assert f"{label}{language.colon}" not in made.text
    assert "<table" in made.html


@each_locale
def test_every_change_and_every_role_has_words(locale):
    language = LANGUAGES[locale]
    assert set(language.changes) == set(mails.FactorChange)
    assert set(language.roles) == set(mails.GroupRole)
    assert set(language.texts) == set(Template)


@each_value
@each_locale
def test_no_value_is_markup(values, locale):
    changes: dict[str, Any] = {
        field.name: NASTY
        for field in dataclasses.fields(values)
        if field.type is str and "link" not in field.name
    }
    nasty = dataclasses.replace(values, **changes)
    made = render(nasty, to="a&b@example.org", locale=locale)
    tags = Page(render(values, to="ada@example.org", locale=locale).html).tags
    assert Page(made.html).tags == tags
    assert "<b>" not in made.html
    assert "a&b@" not in made.html
    assert "{to}" in unescape(made.html)  # a value is not filled in itself


@given(text=st.text(max_size=200))
def test_no_text_that_people_chose_adds_a_line_a_link_or_markup(text):
    values = mails.GroupInvitation(
        link=LINK, inviter=text, group=text, role=mails.GroupRole.OWNER, valid=DAY
    )
    made = render(values, to="ada@example.org", locale="en")
    plain = render(
        dataclasses.replace(values, inviter="x", group="x"), to="ada@example.org", locale="en"
    )
    assert Page(made.html).tags == Page(plain.html).tags
    assert made.text.count("\n") == plain.text.count("\n")
    assert len(unlinked(text)) <= MAX_VALUE
    assert "://" not in unlinked(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Buy at evil.example now", "Buy at evil. example now"),
        ("https://evil.example/x", "https: evil. example/x"),
        ("me@evil.example", "me @ evil. example"),
        ("J. R. Smith", "J. R. Smith"),
        ("Firefox 128.0", "Firefox 128.0"),
        ("two\r\nlines\u2028three", "two lines three"),
        ("\u202egnp.exe", "gnp. exe"),
        ("evil。example", "evil. example"),
        ("x" * 70, "x" * 63 + "…"),
    ],
)  # fmt: skip
def test_a_name_is_never_a_link(text, shown):
    assert unlinked(text) == shown


@pytest.mark.parametrize(
    "link",
    [
        "", "/verify", "javascript:alert(1)", "ftp://x.example/", "https://", "https://x.ex/ b",
        'https://x.example/"onclick="', "https://x.example/<b>", "https://x.example/\n",
        "https://x.example/é", "//x.example/", "https://[x/",
    ],
)  # fmt: skip
def test_a_link_that_a_browser_would_not_open_is_refused(link):
    with pytest.raises(ValueError, match="link"):
        render(mails.Approved(link=link), to="a@b.example", locale="en")


@pytest.mark.parametrize(
    ("locale", "tag"),
    [
        ("en", "en"), ("en-GB", "en"), ("", "en"), ("xx", "en"), ("de-DE", "en"), ("zh", "zh-CN"),
        ("zh-CN", "zh-CN"), ("zh_CN", "zh-CN"), ("zh-SG", "zh-CN"), ("zh-Hans-HK", "zh-CN"),
        ("zh-TW", "zh-TW"), ("ZH-tw", "zh-TW"), ("zh-HK", "zh-TW"), ("zh-MO", "zh-TW"),
        ("zh-Hant", "zh-TW"), ("zh-Hant-CN", "zh-TW"), ("\x00", "en"),
    ],
)  # fmt: skip
def test_a_locale_gets_the_nearest_language(locale, tag):
    assert language_for(locale).tag == tag


@pytest.mark.parametrize(
    ("duration", "count", "unit"),
    [
        (timedelta(minutes=30), 30, "minute"), (timedelta(minutes=60), 1, "hour"),
        (timedelta(minutes=90), 90, "minute"), (timedelta(hours=24), 24, "hour"),
        (timedelta(hours=48), 48, "hour"), (timedelta(days=7), 7, "day"),
        (timedelta(days=3, hours=1), 73, "hour"), (timedelta(seconds=5), 1, "minute"),
    ],
)  # fmt: skip
def test_a_duration_is_told_in_the_largest_unit_without_a_rest(duration, count, unit):
    assert parts(duration) == (count, unit)


def test_one_of_something_is_singular():
    assert LANGUAGES["en"].duration(timedelta(hours=1)) == "1 hour"
    assert LANGUAGES["zh-TW"].duration(timedelta(minutes=30)) == "30 分鐘"


def test_a_site_has_the_name_it_is_given():
    made = render(mails.Approved(link=LINK, site="The Quarter"), to="a@b.example", locale="en")
    assert made.subject == "You can use The Quarter now"


def test_values_may_be_given_by_name_and_are_checked():
    assert as_record(Template.APPROVED, {"link": LINK}) == mails.Approved(link=LINK)
    for wrong in ({}, {"link": LINK, "lnk": LINK}, mails.PasswordChanged(link=LINK)):
        with pytest.raises(ValueError, match="approved"):
            as_record(Template.APPROVED, wrong)


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_everything_can_be_read_by_day_and_by_night():
    from paifang.core.mail.templates import layout as on  # noqa: PLC0415  # its colours alone

    pairs = [
        (on.INK, on.SHEET), (on.SOFT, on.SHEET), (on.SOFT, on.PAPER), ("#ffffff", on.VERMILION),
        (on.NIGHT_INK, on.NIGHT_SHEET), (on.NIGHT_SOFT, on.NIGHT_SHEET),
        (on.NIGHT_SOFT, on.NIGHT), ("#ffffff", on.NIGHT_VERMILION),
    ]  # fmt: skip
    assert [pair for pair in pairs if contrast(*pair) < 4.5] == []


def test_a_rendered_mail_is_one_whatever_is_rendered_besides():
    made = [render(VALUES[0], to="ada@example.org", locale="en") for _ in range(2)]
    assert made[0] == made[1]
    assert isinstance(made[0], Rendered)
    assert re.search(r"prefers-color-scheme: dark", made[0].html)
