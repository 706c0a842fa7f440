"""The one HTML layout. Tables and inline styles, because that is what every mail program knows.

Where a program reads ``<style>``, dark mode and narrow screens get more. Nothing is loaded from
anywhere: no images, no fonts, no tracking.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

PAPER, SHEET, INK, SOFT, LINE, VERMILION = (
    "#f6f2ea",
    "#fffdf8",
    "#23201b",
    "#6b655b",
    "#e4ddd0",
    "#b83a24",
)
NIGHT, NIGHT_SHEET, NIGHT_INK, NIGHT_SOFT, NIGHT_LINE, NIGHT_VERMILION = (
    "#14171c",
    "#1c2027",
    "#d9d6cf",
    "#9a978f",
    "#2f343d",
    "#c4472f",
)
_FONTS = "-apple-system,'Segoe UI',Roboto,{fonts}'Helvetica Neue',Arial,sans-serif"
_URL = re.compile(r"https?://[!#-&(-;=?-~]+")

_STYLE = f"""
:root {{ color-scheme: light dark; supported-color-schemes: light dark; }}
@media (prefers-color-scheme: dark) {{
  .paper {{ background: {NIGHT} !important; }}
  .sheet {{ background: {NIGHT_SHEET} !important; border-color: {NIGHT_LINE} !important; }}
  .ink {{ color: {NIGHT_INK} !important; }}
  .soft {{ color: {NIGHT_SOFT} !important; }}
  .line {{ border-color: {NIGHT_LINE} !important; }}
  .go, .go a {{ background: {NIGHT_VERMILION} !important; }}
}}
@media (max-width: 600px) {{
  .gap {{ padding: 12px 0 !important; }}
  .sheet {{ padding: 24px 20px !important; border-left: 0 !important; border-right: 0 !important; }}
  .foot {{ padding: 16px 20px !important; }}
}}
""".strip()


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says, every value in its place, nothing escaped yet."""

    lang: str
    fonts: str
    subject: str
    preheader: str
    site: str
    title: str
    lines: Sequence[str]
    facts: Sequence[tuple[str, str]]
    button: str
    link: str
    copy_link: str
    not_you: Sequence[str]
    footer: str


def as_html(letter: Letter) -> str:
    """The letter in HTML; every text of it is escaped here."""
    font = _FONTS.format(fonts=letter.fonts)
    link = escape(letter.link)
    paragraphs = "".join(_paragraph(line, "ink", INK) for line in letter.lines)
    closing = "".join(_paragraph(line, "soft", SOFT) for line in letter.not_you)
    # The preheader is followed by blanks, or a list of mails would go on with the text below.
    blanks = "&#847;&zwnj;&nbsp;" * 30
    return f"""<!DOCTYPE html>
<html lang="{letter.lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no,date=no,address=no,email=no">
<title>{escape(letter.subject)}</title>
<style>
{_STYLE}
</style>
</head>
<body class="paper" style="margin:0;padding:0;background:{PAPER};">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all;">{escape(letter.preheader)}\
{blanks}</div>
<table role="presentation" class="paper" width="100%" cellpadding="0" cellspacing="0" border="0" \
bgcolor="{PAPER}" style="background:{PAPER};">
<tr><td class="gap" align="center" style="padding:32px 12px;">
<!--[if mso]><table role="presentation" width="560" cellpadding="0" cellspacing="0"><tr><td>\
<![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" \
style="max-width:560px;font-family:{font};">
<tr><td class="sheet" bgcolor="{SHEET}" style="padding:32px 36px;background:{SHEET};\
border:1px solid {LINE};text-align:left;">
<p class="soft" style="margin:0 0 24px;font-size:13px;line-height:20px;color:{SOFT};">\
{escape(letter.site)}</p>
<h1 class="ink" style="margin:0 0 16px;font-size:22px;line-height:30px;font-weight:600;\
color:{INK};">{escape(letter.title)}</h1>
{paragraphs}{_facts(letter.facts)}
<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:24px 0;">
<tr><td class="go" bgcolor="{VERMILION}" style="background:{VERMILION};border-radius:4px;\
mso-padding-alt:12px 24px;">
<a href="{link}" style="display:inline-block;padding:12px 24px;font-size:15px;line-height:20px;\
font-weight:600;color:#ffffff;text-decoration:none;background:{VERMILION};border-radius:4px;">\
{escape(letter.button)}</a>
</td></tr></table>
<p class="soft" style="margin:0 0 16px;font-size:13px;line-height:20px;color:{SOFT};">\
{escape(letter.copy_link)}<br>{_anchor(letter.link, "soft", SOFT)}</p>
{closing}</td></tr>
<tr><td class="foot" style="padding:16px 36px;text-align:left;">
<p class="soft" style="margin:0;font-size:12px;line-height:18px;color:{SOFT};">\
{escape(letter.footer)}</p>
</td></tr></table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr></table>
</body>
</html>
"""


def as_text(letter: Letter, colon: str) -> str:
    """The letter as plain text. A link stands on a line of its own and is never broken."""
    parts = [letter.title, *letter.lines]
    if letter.facts:
        parts.append("\n".join(f"{label}{colon}{value}" for label, value in letter.facts))
    parts += [f"{letter.button}{colon.rstrip()}\n{letter.link}", *letter.not_you]
    return "\n\n".join(parts) + f"\n\n-- \n{letter.footer}\n"


def _paragraph(text: str, kind: str, colour: str) -> str:
    size = "font-size:15px;line-height:24px" if kind == "ink" else "font-size:13px;line-height:20px"
    return (
        f'<p class="{kind}" style="margin:0 0 16px;{size};color:{colour};">'
        f"{_linked(text, kind, colour)}</p>\n"
    )


def _linked(text: str, kind: str, colour: str) -> str:
    """The text escaped, the links in it to be clicked."""
    pieces, end = [], 0
    for found in _URL.finditer(text):
        pieces += [escape(text[end : found.start()]), _anchor(found[0], kind, colour)]
        end = found.end()
    return "".join([*pieces, escape(text[end:])])


def _anchor(link: str, kind: str, colour: str) -> str:
    shown = escape(link)
    return (
        f'<a class="{kind}" href="{shown}" style="color:{colour};text-decoration:underline;'
        f'word-break:break-all;">{shown}</a>'
    )


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    if not facts:
        return ""
    rows = "".join(
        f'<tr><td class="soft" valign="top" style="padding:2px 16px 2px 0;font-size:13px;'
        f'line-height:20px;color:{SOFT};white-space:nowrap;">{escape(label)}</td>'
        f'<td class="ink" style="padding:2px 0;font-size:13px;line-height:20px;color:{INK};'
        f'word-break:break-word;">{escape(value)}</td></tr>'
        for label, value in facts
    )
    return (
        '<table role="presentation" class="line" width="100%" cellpadding="0" cellspacing="0" '
        f'style="margin:0 0 8px;border-top:1px solid {LINE};border-bottom:1px solid {LINE};">'
        f'<tr><td style="padding:8px 0;"><table role="presentation" cellpadding="0" '
        f'cellspacing="0" border="0">{rows}</table></td></tr></table>'
    )
