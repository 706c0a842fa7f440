"""The kinds of upstream Paifang knows, as data, and what their base URLs look like."""

from dataclasses import dataclass

from paifang.modules.gateway.relay.upstream.target import Target

LOCAL = "local"
LOCAL_PREFIX = "local:"
MAX_BASE_URL = 512
_ENDPOINTS = ("/chat/completions", "/completions", "/embeddings", "/models")


@dataclass(frozen=True, slots=True)
class Provider:
    """A kind of upstream."""

    id: str
    label: str
    """Its name for people."""
    base_url: str
    """Taken when a channel is made without one; empty when one must be given."""
    needs_credential: bool
    """Whether it usually asks for one. Nothing enforces it: many compatible servers don't."""
    models_path: str = "/models"
    """Where below the base URL it lists its models, in OpenAI's shape."""


PROVIDERS: dict[str, Provider] = {
    provider.id: provider
    for provider in (
        Provider("openai", "OpenAI or compatible", "https://api.openai.com/v1", True),
        Provider("ollama", "Ollama", "http://127.0.0.1:11434/v1", False),
        Provider(LOCAL, "Local model", "", False),
    )
}


def provider_ids() -> str:
    """The providers' ids, for messages."""
    return ", ".join(PROVIDERS)


def normal_base_url(provider: str, base_url: str) -> str:
    """The base URL as it is stored: checked, without a slash at the end, with Ollama's ``/v1``.

    An empty one becomes the provider's own.

    Raises:
        ValueError: it can't be one; the message says why and repeats nothing of it.
    """
    url = base_url.strip() or PROVIDERS[provider].base_url
    if len(url) > MAX_BASE_URL:
        raise ValueError(f"a base URL must have at most {MAX_BASE_URL} characters")
    if provider == LOCAL:
        return _local(url)
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


def _local(url: str) -> str:
    name = url.removeprefix(LOCAL_PREFIX)
    if name == url or not name or name != name.strip() or not name.isprintable() or "/" in name:
        raise ValueError(
            f"the base URL of a local model must be {LOCAL_PREFIX}<model>, for example "
            f"{LOCAL_PREFIX}smollm2-135m-instruct"
        )
    return url
