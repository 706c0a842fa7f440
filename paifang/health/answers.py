"""What the three endpoints answer, whichever way a request came in."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson

from paifang.core.errors import Unauthenticated
from paifang.core.runtime import Runtime

READY_TIMEOUT = 2.0
DISPENSABLE_TIMEOUT = 0.5
"""For a part that does not decide: whoever asks must not give up waiting for it."""
FRESH_SECONDS = 1.0
"""How long the answer of a part is good for: anybody may ask, as often as they like."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"


Endpoint = Callable[[Runtime, str], Awaitable[Answer]]
"""Takes the request's ``Authorization``, empty when there is none. May raise a refusal."""


class Readiness:
    """What the parts of a process have answered lately. Whoever asks meanwhile waits along."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[float, str]] = {}
        self._asking = asyncio.Lock()

    async def parts(self, runtime: Runtime) -> dict[str, str]:
        """Each part to ``ok`` or the reason, at most :data:`FRESH_SECONDS` old."""
        async with self._asking:
            for name, ask in runtime.ready.items():
                at, _state = self._answers.get(name, (float("-inf"), ""))
                if time.monotonic() - at >= FRESH_SECONDS:
                    seconds = DISPENSABLE_TIMEOUT if name in runtime.dispensable else READY_TIMEOUT
                    state = await _answer(ask, seconds)
                    self._answers[name] = (time.monotonic(), state)
            return {name: self._answers[name][1] for name in runtime.ready}


async def _answer(ask: Callable[[], Awaitable[str]], seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            return await ask() or "ok"
    except TimeoutError:
        return f"no answer within {seconds:g} s"


async def livez(_runtime: Runtime, _authorization: str) -> Answer:
    """Whether the process runs. It asks nothing else, so that a slow database kills nobody."""
    return _health(200, "ok", {})


async def readyz(runtime: Runtime, _authorization: str) -> Answer:
    """Whether the process can take work; 503 while it drains or a part it needs is away."""
    readiness: Readiness = runtime.parts.setdefault(Readiness, Readiness())
    parts = await readiness.parts(runtime)
    well = all(state == "ok" or name in runtime.dispensable for name, state in parts.items())
    status = "draining" if runtime.draining else "ok" if well else "unavailable"
    return _health(200 if status == "ok" else 503, status, parts)


def _health(code: int, status: str, parts: dict[str, str]) -> Answer:
    return Answer(orjson.dumps({"status": status, "parts": parts}), code)


async def metrics(runtime: Runtime, authorization: str) -> Answer:
    """Counters in Prometheus's text format, for whoever sends the metrics key as a bearer.

    Raises:
        Unauthenticated: somebody else.
    """
    _scheme, _, candidate = authorization.partition(" ")
    key = runtime.settings.metrics_key.get_secret_value()
    allowed = (
        hmac.compare_digest(candidate.encode(), key.encode())
        if key
        else runtime.secrets.is_admin_key(candidate)
    )
    if not allowed:
        raise Unauthenticated(
            "Send PAIFANG_METRICS_KEY, or the administrator key when there is none, as a bearer."
        )
    # A process that nobody scrapes does without it.
    from paifang.health.exposition import expose  # noqa: PLC0415  # two megabytes

    body, media_type = expose(runtime)
    return Answer(body, media_type=media_type)


ENDPOINTS: dict[str, Endpoint] = {"/livez": livez, "/readyz": readyz, "/metrics": metrics}
