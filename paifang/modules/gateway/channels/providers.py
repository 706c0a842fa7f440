"""The kinds of upstream Paifang knows, and what their base URLs look like."""

import difflib
import re
from collections.abc import Mapping
from typing import TypedDict

from paifang.modules.gateway.channels.presets.chinese import CHINESE
from paifang.modules.gateway.channels.presets.hosts import HOSTS
from paifang.modules.gateway.channels.presets.makers import MAKERS
from paifang.modules.gateway.channels.presets.provider import Provider
from paifang.modules.gateway.channels.presets.servers import LOCAL, LOCAL_PREFIX, SERVERS
from paifang.modules.gateway.relay.upstream.target import Target

__all__ = ["LOCAL", "LOCAL_PREFIX", "MAX_BASE_URL", "PROVIDERS", "Provider"]

MAX_BASE_URL = 512
_ENDPOINTS = ("/chat/completions", "/completions", "/embeddings", "/models")
_BLANK = re.compile(r"\{[^{}/]*\}|<[^<>/]*>")
"""What documents put where the reader's own name belongs."""

PROVIDERS: dict[str, Provider] = {
    provider.id: provider
    for provider in sorted((*MAKERS, *CHINESE, *HOSTS, *SERVERS), key=lambda p: p.id)
}


class Manner(TypedDict):
    """How the relay speaks to a provider: fields of its record of a channel."""

    headers: Mapping[str, str]
    credential_header: str
    stream_options: bool


def manner_of(provider: str) -> Manner:
    """How the relay speaks to a provider; to one that is not known, as to OpenAI."""
    known = provider_of(provider)
    return {
        "headers": known.headers,
        "credential_header": known.credential_header,
        "stream_options": known.stream_usage != "refused",
    }


def provider_of(provider: str) -> Provider:
    """What is known of a channel's provider; one that a newer version stored counts as OpenAI."""
    return PROVIDERS.get(provider, PROVIDERS["openai"])


def check_provider(value: str) -> str:
    """The id of a provider.

    Raises:
        ValueError: there is none; the message names those it may have been meant for.
    """
    if value in PROVIDERS:
        return value
    meant = ", ".join(_near(value))
    raise ValueError(
        f"there is no such provider; did you mean one of: {meant}?"
        if meant
        else "there is no such provider; `paifang gateway providers list` shows them, and openai "
        "stands for any other that speaks OpenAI's API"
    )


def _near(value: str) -> list[str]:
    """Ids that look like the value, or have it in their name."""
    wanted = value.strip().casefold()
    if not wanted:
        return []
    named = [p.id for p in PROVIDERS.values() if wanted in f"{p.id} {p.label}".casefold()]
    alike = difflib.get_close_matches(wanted, PROVIDERS, n=3, cutoff=0.6)
    return list(dict.fromkeys([*named[:4], *alike]))


def normal_base_url(provider: str, base_url: str) -> str:
    """The base URL as it is stored: checked, without a slash at the end, with Ollama's ``/v1``.

    An empty one becomes the provider's own.

    Raises:
        ValueError: it can't be one; the message says why and repeats nothing of it.
    """
    preset = PROVIDERS[provider]
    url = base_url.strip() or preset.base_url
    if len(url) > MAX_BASE_URL:
        raise ValueError(f"a base URL must have at most {MAX_BASE_URL} characters")
    if provider == LOCAL:
        return _local(url)
    if _BLANK.search(url):
        raise ValueError(_unfilled(preset))
    Target.parse(url)
    url = url.rstrip("/")
    for endpoint in _ENDPOINTS:
        if url.endswith(endpoint):
            raise ValueError(f"a base URL must end before {endpoint}, for example with /v1")
    if provider == "ollama" and not url.endswith("/v1"):
        url += "/v1"
        if len(url) > MAX_BASE_URL:
            raise ValueError(f"a base URL must have at most {MAX_BASE_URL} characters")
    return url


def _unfilled(preset: Provider) -> str:
    """What to write into the blanks."""
    if not preset.placeholders:
        return "put your own name where the base URL has one in brackets"
    what = ", ".join(f"{{{name}}} with {what}" for name, what in preset.placeholders.items())
    return f"give {preset.base_url} and replace {what}"


def _local(url: str) -> str:
    name = url.removeprefix(LOCAL_PREFIX)
    if name == url or not name or name != name.strip() or not name.isprintable() or "/" in name:
        raise ValueError(
            f"the base URL of a local model must be {LOCAL_PREFIX}<model>, for example "
            f"{LOCAL_PREFIX}smollm2-135m-instruct"
        )
    return url
