"""Channel types of AI Proxy v1 and what stands for them here.

Its numbers name companies; our providers name protocols. A type is a provider with a base URL,
so the number of a channel is told from both, and nothing needs to be stored.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, and_, false, not_

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
    base_url: str
    """Taken when none is given; with ``/v1``, which that service adds at each call."""
    provider: str = "openai"


TYPES = {
    kind.number: kind
    for kind in (
        ChannelType(OPENAI, "OpenAI or compatible", PROVIDERS["openai"].base_url),
        ChannelType(CUSTOM, "Custom (compatible URL, or local:<model>)", ""),
        ChannelType(20, "OpenRouter", "https://openrouter.ai/api/v1"),
        ChannelType(25, "Moonshot", "https://api.moonshot.cn/v1"),
        ChannelType(26, "Baichuan", "https://api.baichuan-ai.com/v1"),
        ChannelType(28, "Mistral", "https://api.mistral.ai/v1"),
        ChannelType(29, "Groq", "https://api.groq.com/openai/v1"),
        ChannelType(OLLAMA, "Ollama", PROVIDERS["ollama"].base_url, "ollama"),
        ChannelType(31, "LingYiWanWu", "https://api.lingyiwanwu.com/v1"),
        ChannelType(32, "StepFun", "https://api.stepfun.com/v1"),
        ChannelType(36, "DeepSeek", "https://api.deepseek.com/v1"),
        ChannelType(39, "TogetherAI", "https://api.together.xyz/v1"),
        ChannelType(43, "SiliconFlow", "https://api.siliconflow.cn/v1"),
    )
}
_BY_URL = {
    kind.base_url: kind.number
    for kind in TYPES.values()
    if kind.provider == "openai" and kind.base_url
}


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
    if kind.provider == "openai" and not _has_version(url):
        url += "/v1"
    return kind.provider, url


def number_of(channel: Channel) -> int:
    """The type of a channel, told from its provider and base URL."""
    if channel.provider == "openai":
        return _BY_URL.get(channel.base_url, OPENAI)
    return OLLAMA if channel.provider == "ollama" else CUSTOM


def is_type(number: int) -> ColumnElement[bool]:
    """That :func:`number_of` a channel is this; never, for a type that is not supported."""
    if number not in TYPES:
        return false()
    if number == CUSTOM:
        return Channel.provider == LOCAL
    if number == OLLAMA:
        return Channel.provider == "ollama"
    openai = Channel.provider == "openai"
    if number == OPENAI:
        others = [url for url, other in _BY_URL.items() if other != OPENAI]
        return and_(openai, not_(Channel.base_url.in_(others)))
    return and_(openai, Channel.base_url == TYPES[number].base_url)


def _has_version(url: str) -> bool:
    try:
        path = urlsplit(url).path
    except ValueError:
        return True  # the channel's own check says what is wrong with it
    return any(_VERSION.fullmatch(part) for part in path.split("/"))
