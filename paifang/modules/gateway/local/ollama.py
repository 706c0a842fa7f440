"""An Ollama next door: found, so that it can be offered as a channel."""

import httpx

DEFAULT_URL = "http://127.0.0.1:11434"


async def find_ollama(url: str = DEFAULT_URL, timeout: float = 0.5) -> list[str] | None:  # noqa: ASYNC109 - httpx's own
    """The names of its models, perhaps none; None when no Ollama answers there.

    Args:
        url: Its address, without ``/v1``.
        timeout: Seconds for each of connecting and answering.
    """
    try:
        # Without the environment's proxies: what is asked for is on this machine or this network.
        async with httpx.AsyncClient(trust_env=False, timeout=timeout) as client:
            answer = await client.get(f"{url.rstrip('/')}/api/tags")
            body = answer.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    models = body.get("models") if isinstance(body, dict) else None
    if not isinstance(models, list):
        return None
    names = [model.get("name") for model in models if isinstance(model, dict)]
    return sorted(name for name in names if isinstance(name, str))
