"""How a locale's texts are written down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from paifang.core.mail.templates.records import FactorChange, GroupRole, Template


@dataclass(frozen=True, slots=True)
class Text:
    """One template in one language. ``{name}`` is a field of the template's record, ``{to}`` the
    recipient.
    """

    subject: str
    preheader: str
    """What a list of mails shows behind the subject."""
    title: str
    lines: tuple[str, ...]
    """Paragraphs above the button."""
    button: str
    not_you: tuple[str, ...] = ()
    """Paragraphs below it: what to do if it was not you."""


@dataclass(frozen=True, slots=True)
class Language:
    """All texts of one language."""

    tag: str
    """As HTML's ``lang`` has it."""
    fonts: str
    """Font families in front of the generic one."""
    texts: Mapping[Template, Text]
    device: str
    address: str
    at: str
    copy_link: str
    """Above the link that is written out."""
    footer: str
    changes: Mapping[FactorChange, str]
    roles: Mapping[GroupRole, str]
    duration: Callable[[timedelta], str]
    colon: str = ": "


def parts(duration: timedelta) -> tuple[int, str]:
    """A duration in the largest unit that states it without a rest: (24, "hour") for a day.

    Up to two days are hours: "24 hours" says more exactly until when than "1 day" does.
    """
    minutes = max(1, round(duration.total_seconds() / 60))
    if minutes % 1440 == 0 and minutes > 2880:
        return minutes // 1440, "day"
    if minutes % 60 == 0:
        return minutes // 60, "hour"
    return minutes, "minute"
