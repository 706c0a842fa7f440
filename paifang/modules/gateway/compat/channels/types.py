"""Channel types of AI Proxy v1 and what stands for them here.

A type is a provider of ours, so the number of a channel is told from it, and nothing needs to be
stored. A provider without a number there counts as custom.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, false

from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.channels.providers import LOCAL, LOCAL_PREFIX, PROVIDERS
from paifang.modules.gateway.compat.values import invalid

OPENAI = 1
CUSTOM = 8
OLLAMA = 30
_VERSION = re.compile(r"v[0-9]+[a-z0-9]*")


@dataclass(frozen=True, slots=True)
class ChannelType:
    """A kind of upstream by that service's number."""

    number: int
    label: str
    provider: str

    @property
    def base_url(self) -> str:
        """Taken when none is given; with ``/v1``, which that service adds at each call."""
        return "" if self.number == CUSTOM else PROVIDERS[self.provider].base_url


TYPES = {
    kind.number: kind
    for kind in (
        ChannelType(OPENAI, "OpenAI or compatible", "openai"),
        ChannelType(CUSTOM, "Custom (compatible URL, or local:<model>)", "openai"),
        ChannelType(20, "OpenRouter", "openrouter"),
        ChannelType(25, "Moonshot", "moonshot-cn"),
        ChannelType(26, "Baichuan", "baichuan"),
        ChannelType(28, "Mistral", "mistral"),
        ChannelType(29, "Groq", "groq"),
        ChannelType(OLLAMA, "Ollama", "ollama"),
        ChannelType(31, "LingYiWanWu", "yi"),
        ChannelType(32, "StepFun", "stepfun-cn"),
        ChannelType(36, "DeepSeek", "deepseek"),
        ChannelType(39, "TogetherAI", "together"),
        ChannelType(43, "SiliconFlow", "siliconflow-cn"),
    )
}
_NUMBERS = {kind.provider: kind.number for kind in TYPES.values() if kind.number != CUSTOM}


def known(number: int) -> ChannelType:
    """The type of a number.

    Raises:
        Invalid: it is none that Paifang serves; the message names those.
    """
    if number not in TYPES:
        names = ", ".join(f"{kind.number} {kind.label}" for kind in TYPES.values())
        raise invalid("type", f"{number} is not supported; use one of: {names}")
    return TYPES[number]


def upstream(number: int, base_url: str) -> tuple[str, str]:
    """The provider and the base URL of a type; an empty ``base_url`` is the type's own.

    Raises:
        Invalid: the type is not supported, or needs a base URL.
    """
    kind = known(number)
    url = base_url.strip().rstrip("/") or kind.base_url
    if not url:
        raise invalid("base_url", f"give one: the type {kind.number} {kind.label} has none")
    if url.startswith(LOCAL_PREFIX):
        if number != CUSTOM:
            raise invalid("type", f"a local model is of type {CUSTOM}")
        return LOCAL, url
    if kind.provider != "ollama" and not _has_version(url):
        url += "/v1"
    return kind.provider, url


def number_of(channel: Channel) -> int:
    """The type of a channel, told from its provider."""
    return _NUMBERS.get(channel.provider, CUSTOM)


def is_type(number: int) -> ColumnElement[bool]:
    """That :func:`number_of` a channel is this; never, for a type that is not supported."""
    if number not in TYPES:
        return false()
    if number == CUSTOM:
        return Channel.provider.not_in(_NUMBERS)
    return Channel.provider == TYPES[number].provider


def _has_version(url: str) -> bool:
    try:
        path = urlsplit(url).path
    except ValueError:
        return True  # the channel's own check says what is wrong with it
    return any(_VERSION.fullmatch(part) for part in path.split("/"))
