"""The texts of the templates, a file per language."""

from collections.abc import Mapping

from paifang.core.mail.templates.texts.en import ENGLISH
from paifang.core.mail.templates.texts.text import Language, Text
from paifang.core.mail.templates.texts.zh_cn import SIMPLIFIED
from paifang.core.mail.templates.texts.zh_tw import TRADITIONAL

LANGUAGES: Mapping[str, Language] = {
    language.tag: language for language in (ENGLISH, SIMPLIFIED, TRADITIONAL)
}
"""By locale: ``en``, ``zh-CN``, ``zh-TW``."""

_TRADITIONAL = {"tw", "hk", "mo", "hant"}

__all__ = ["LANGUAGES", "Language", "Text", "language_for"]


def language_for(locale: str) -> Language:
    """The language for a locale: the nearest there is, else English.

    ``zh-HK`` and ``zh-Hant`` read traditional characters, every other ``zh`` simplified ones.
    """
    first, *rest = locale.replace("_", "-").lower().split("-")
    if first != "zh":
        return ENGLISH
    traditional = "hans" not in rest and _TRADITIONAL & set(rest)
    return TRADITIONAL if traditional else SIMPLIFIED
