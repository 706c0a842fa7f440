"""Asking an upstream: does it answer, and which models does it have?

It asks through the relay's own HTTP client, so that a channel which passes here meets the same
TLS roots, HTTP version and refusal of redirects when it is called. Nothing here touches the
database: a network call never runs inside a transaction.
"""

import asyncio
import errno
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from paifang.modules.gateway.channels.errors import (
    LocalModelsAway,
    ModelsNotListed,
    UpstreamFailed,
)
from paifang.modules.gateway.channels.providers import LOCAL, provider_of
from paifang.modules.gateway.local.errors import LocalModelError
from paifang.modules.gateway.local.manager import LocalModels
from paifang.modules.gateway.relay.dialect import channel_headers
from paifang.modules.gateway.relay.snapshot import Channel, Timeouts
from paifang.modules.gateway.relay.upstream.errors import UpstreamError
from paifang.modules.gateway.relay.upstream.pool import Pool
from paifang.modules.gateway.relay.upstream.target import Target

MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer that are read; a list of thousands of models is a tenth of it."""
PATIENCE = 60.0
"""Seconds one question may take in all, whatever the channel's own time-outs allow."""
MAX_MODELS = 5000
_SAID = 200
"""Characters of an upstream's own message that are shown."""
_TEST_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Tested:
    """How a test went."""

    ms: int | None
    """How long the upstream took; None when it failed."""
    error: str | None
    missing_models: tuple[str, ...] = ()
    """Models of the channel that the upstream does not list."""


async def test_channel(
    channel: Channel,
    *,
    models: Sequence[str],
    model: str | None,
    local: LocalModels | None,
) -> Tested:
    """Ask for the list of models; with ``model``, make a real call of a few model tokens.

    Args:
        channel: The channel, its credential in the clear.
        models: What the channel is to serve, by our names.
        model: One of them, or any other of the upstream's.
        local: Runs local models; None where there is none.

    Raises:
        LocalModelsAway: the channel is local and ``local`` is None.
        ModelsNotListed: ``model`` is None and the provider does not list its models.
    """
    if model is None:
        _check_listed(channel, "name one of them for a test with a real call")
    try:
        async with _opened(channel, local) as upstream:
            # The time a local model takes to load is not the upstream's answer.
            began = time.monotonic()
            if model is not None:
                await upstream.chat(channel.model_mapping.get(model, model))
                listed = None
            else:
                listed = await upstream.list_models()
    except UpstreamFailed as failure:
        return Tested(None, failure.detail)
    ms = round((time.monotonic() - began) * 1000)
    return Tested(ms, None, () if listed is None else _missing(channel, models, listed))


async def list_upstream_models(channel: Channel, *, local: LocalModels | None) -> list[str]:
    """The models the upstream lists, sorted.

    Raises:
        UpstreamFailed: it gave no usable list; the detail says why.
        LocalModelsAway: the channel is local and ``local`` is None.
        ModelsNotListed: the provider does not list its models.
    """
    _check_listed(channel, "name them yourself")
    async with _opened(channel, local) as upstream:
        return await upstream.list_models()


def _check_listed(channel: Channel, advice: str) -> None:
    provider = provider_of(channel.provider)
    if provider.models is None:
        raise ModelsNotListed(f"{provider.label} does not list its models: {advice}.")


def _missing(channel: Channel, models: Sequence[str], listed: Sequence[str]) -> tuple[str, ...]:
    # Ollama lists llama3:latest and answers to llama3.
    known = {*listed, *(name.removesuffix(":latest") for name in listed)}
    return tuple(m for m in models if channel.model_mapping.get(m, m) not in known)


@asynccontextmanager
async def _opened(channel: Channel, local: LocalModels | None) -> AsyncIterator["_Upstream"]:
    base_url, credential = channel.base_url, channel.credential
    if channel.provider != LOCAL:
        async with _pool() as pool:
            yield _Upstream(channel, pool, _target(base_url), credential)
        return
    if local is None:
        raise LocalModelsAway("Local models run only inside `paifang up`; ask that process.")
    try:
        base_url = await local.acquire(channel)
    except LocalModelError as error:
        raise UpstreamFailed(f"The local model can't be used: {error.message}") from error
    try:
        async with _pool() as pool:
            yield _Upstream(channel, pool, _target(base_url), local.credential(channel))
    finally:
        local.release(channel)


@asynccontextmanager
async def _pool() -> AsyncIterator[Pool]:
    pool = Pool()
    try:
        yield pool
    finally:
        await pool.close()


def _target(base_url: str) -> Target:
    try:
        return Target.parse(base_url)
    except ValueError as error:
        raise UpstreamFailed(f"The base URL can't be used: {error}.") from error


@dataclass(frozen=True, slots=True)
class _Upstream:
    channel: Channel
    pool: Pool
    target: Target
    credential: str

    async def list_models(self) -> list[str]:
        """Names of models, sorted and free of repetition."""
        provider = provider_of(self.channel.provider)
        place = provider.models or "models"
        channel, target = self.channel, self.target
        if provider.list_header:
            channel = replace(channel, credential_header=provider.list_header)
        if place.startswith("/"):
            target = replace(target, path="")
        asking = replace(self, channel=channel, target=target)
        answer = await asking.ask(b"GET", f"/{place.removeprefix('/')}", b"")
        rows = answer.get("data") if isinstance(answer, dict) else answer
        if not isinstance(rows, list):
            raise UpstreamFailed(
                f"{self._name} answered in JSON, but not with a list of models: {self._advice}"
            )
        names = {row.get("id") for row in rows[:MAX_MODELS] if isinstance(row, dict)}
        return sorted(name for name in names if isinstance(name, str) and _usable(name))

    async def chat(self, model: str) -> None:
        """Make the smallest call that proves the model answers."""
        call: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        try:
            answer = await self.ask(
                b"POST", "/chat/completions", orjson.dumps({**call, "max_tokens": _TEST_TOKENS})
            )
        except UpstreamFailed as failure:
            # OpenAI's reasoning models know the ceiling only under its newer name.
            if "max_completion_tokens" not in failure.detail:
                raise
            call["max_completion_tokens"] = _TEST_TOKENS
            answer = await self.ask(b"POST", "/chat/completions", orjson.dumps(call))
        if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
            raise UpstreamFailed(f"{self._name} answered in JSON, but not with a completion.")

    @property
    def _name(self) -> str:
        return self.target.host_header.decode()

    @property
    def _where_from(self) -> str:
        """Where a credential for this upstream comes from, if it is the provider's own."""
        provider = provider_of(self.channel.provider)
        if not provider.keys_url or self.channel.base_url != provider.base_url:
            return ""
        return f" Get one at {provider.keys_url}."

    @property
    def _advice(self) -> str:
        if self.target.path.endswith("/v1"):
            return "is this the base URL of an OpenAI-compatible API?"
        return "is /v1 missing from the base URL?"

    async def ask(self, method: bytes, path: str, body: bytes) -> dict[str, Any] | list[Any]:
        """Ask and read a JSON object, or an array of them.

        Raises:
            UpstreamFailed: there is none; the detail says why and what to do.
        """
        headers = channel_headers(self.channel, self.credential, stream=False)
        timeouts = self.channel.timeouts
        waits = Timeouts(
            connect=min(timeouts.connect, PATIENCE),
            first_byte=min(timeouts.first_byte, PATIENCE),
            idle=min(timeouts.idle, PATIENCE),
        )
        try:
            async with asyncio.timeout(PATIENCE):
                response = await self.pool.request(self.target, method, path, headers, body, waits)
                try:
                    answer = await response.read(MAX_ANSWER)
                finally:
                    response.close()
        except UpstreamError as error:
            raise UpstreamFailed(self._why(error)) from error
        except TimeoutError as error:
            raise UpstreamFailed(f"{self._name} did not finish in {PATIENCE:g} s.") from error
        return self._read(response.status, dict(response.headers), path, answer)

    def _read(
        self, status: int, headers: Mapping[bytes, bytes], path: str, body: bytes
    ) -> dict[str, Any] | list[Any]:
        if not 200 <= status < 300:
            raise UpstreamFailed(self._refusal(status, headers, path, body))
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, list) and answer and isinstance(answer[0], dict):
            return answer
        if not isinstance(answer, dict):
            raise UpstreamFailed(
                f"{self._name} answered {status} with something that is not a JSON object: "
                f"{self._advice}"
            )
        return answer

    def _refusal(self, status: int, headers: Mapping[bytes, bytes], path: str, body: bytes) -> str:
        what = f"{self._name} answered {status}"
        said = self._said(body)
        if status in {401, 403}:
            problem = "it refuses the credential" if self.credential else "it wants a credential"
            return f"{what}: {problem}.{said}{self._where_from}"
        if status == 404 and not said:
            return f"{what} to {self.target.path}{path}: {self._advice}"
        if 300 <= status < 400:
            return f"{what}: it redirects{_where(headers)}. Write that into the base URL."
        if status == 429:
            return f"{what}: it is asked too often, or its quota is used up.{said}"
        return f"{what} to {self.target.path}{path}.{said}"

    def _said(self, body: bytes) -> str:
        """The upstream's own words, short, in one line and without the credential."""
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return ""
        error = answer.get("error", answer) if isinstance(answer, dict) else None
        message = error.get("message") if isinstance(error, dict) else error
        if not isinstance(message, str) or not message.strip():
            return ""
        if self.credential:
            message = message.replace(self.credential, "***")
        text = " ".join("".join(c if c.isprintable() else " " for c in message).split())
        return f" It says: {text[:_SAID]}"

    def _why(self, error: UpstreamError) -> str:
        """What an error of the connection means to the person who set up the channel."""
        cause = error.__cause__
        if isinstance(cause, socket.gaierror):
            return f"The name {self.target.host} is not known: check the base URL."
        # A name with several addresses: all their errors are in the text of one OSError.
        refused = f"Errno {errno.ECONNREFUSED}]" in str(cause)
        if error.kind == "connect" and (refused or isinstance(cause, ConnectionRefusedError)):
            return f"{self._name} refuses connections: is a server running there?"
        if error.kind == "tls":
            advice = "Is this a plain http:// server, or is its certificate not trusted here?"
            return f"{error}. {advice}"
        if error.kind == "too_large":
            return f"{self._name} answered with more than {MAX_ANSWER} bytes."
        if error.kind == "protocol":
            return f"{error}. Is it an https:// server?"
        return f"{error}."


def _usable(name: str) -> bool:
    return 0 < len(name) <= 128 and name.isprintable() and name == name.strip()


def _where(headers: Mapping[bytes, bytes]) -> str:
    """The place a redirect names, without what may be secret in it."""
    try:
        parts = urlsplit(headers.get(b"location", b"").decode("ascii"))
    except ValueError:
        return ""
    if not parts.hostname:
        return ""
    port = f":{parts.port}" if parts.port else ""
    return f" to {parts.scheme}://{parts.hostname}{port}{parts.path}"
