"""Types of fields that the schemas of several features share, and what a field must be like."""

import re
import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from paifang.core.mail.message import BadMail, check_address
from paifang.modules.accounts.users.service import folded

Locale = Literal["en", "zh-CN", "zh-TW"]
MAX_EMAIL = 254
MAX_NAME = 64
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{2,30}")


def as_email(value: str) -> str:
    """An address that mail can be sent to, in the form it is kept. Raises ``ValueError``."""
    try:
        return check_address(folded(value))
    except BadMail:
        raise ValueError("write one e-mail address, such as name@example.org") from None


def as_name(value: str) -> str:
    """A name for people to read: no control characters, no odd spaces. Raises ``ValueError``."""
    name = " ".join(unicodedata.normalize("NFC", value).split())
    if not name or not all(_shown(character) for character in name):
        raise ValueError(f"write 1 to {MAX_NAME} characters that can be seen")
    return name


def _shown(character: str) -> bool:
    # Joiners are part of some scripts and of composed emoji; the rest of their kind reorders text.
    return character.isprintable() or character in "\u200c\u200d"


def as_phone(value: str) -> str:
    """A telephone number as it was written. Raises ``ValueError``."""
    number = value.strip()
    if not _PHONE.fullmatch(number):
        raise ValueError("write digits, with a plus in front for a country")
    return number


Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=MAX_EMAIL),
    AfterValidator(as_email),
]
"""An address to write to."""
GivenEmail = Annotated[str, StringConstraints(min_length=1, max_length=MAX_EMAIL)]
"""An address as somebody typed it who signs in; it need not be one."""
DisplayName = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_NAME), AfterValidator(as_name)
]
Phone = Annotated[str, StringConstraints(max_length=32), AfterValidator(as_phone)]
NewPassword = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512),
    Field(
        description="At least 15 characters (PAIFANG_ACCOUNTS_PASSWORD_LENGTH), at most 128; "
        "any character; no rules of composition."
    ),
]
GivenPassword = Annotated[str, StringConstraints(min_length=1, max_length=512)]
"""A password that is compared, not set."""
Solution = Annotated[
    str,
    StringConstraints(max_length=1024),
    Field(description="The solution of a challenge: base64 of JSON."),
]
LinkToken = Annotated[str, StringConstraints(min_length=16, max_length=128)]
