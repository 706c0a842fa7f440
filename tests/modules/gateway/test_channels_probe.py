"""Testing channels against upstreams that answer, refuse, stall and talk nonsense."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest

from doubles.api import api_of
from doubles.openai_upstream import Behaviour, OpenAIDouble
from paifang.app import open_runtime
from paifang.core.runtime import Runtime
from paifang.core.settings import CoreSettings
from paifang.modules.gateway.channels import probe
from paifang.modules.gateway.channels.errors import LocalModelsAway, UpstreamFailed
from paifang.modules.gateway.local.errors import LocalModelError
from paifang.modules.gateway.local.manager import LocalModels
from paifang.modules.gateway.relay.snapshot import Channel, Timeouts

URL = "/api/v1/gateway/channels"
CREDENTIAL = "sk-made-up-credential-9876"

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def upstream(answer: bytes | Answer) -> AsyncIterator[str]:
    """A server that answers every connection once; gives its address without a path."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if isinstance(answer, bytes):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def http(status: int, body: bytes | dict[str, Any], headers: str = "") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(data)}\r\nconnection: close\r\n{headers}"
    return head.encode() + b"\r\n" + data


def channel(base_url: str, **changes: Any) -> Channel:
    values: dict[str, Any] = {
        "id": "1",
        "name": "one",
        "provider": "openai",
        "base_url": base_url,
        "timeouts": Timeouts(connect=2, first_byte=2, idle=2),
    }
    return Channel(**{**values, **changes})


async def problem(asked: Channel) -> str:
    """What a test of the channel complains about."""
    tested = await probe.test_channel(asked, models=(), model=None, local=None)
    assert tested.ms is None
    assert tested.error is not None
    with pytest.raises(UpstreamFailed) as refused:
        await probe.list_upstream_models(asked, local=None)
    assert refused.value.detail == tested.error
    return tested.error


async def test_an_upstream_that_answers_passes_and_its_models_are_listed() -> None:
    async with OpenAIDouble(models=("b", "a", "llama3:latest", "vendor/c")) as double:
        asked = channel(double.url, credential=CREDENTIAL, model_mapping={"c": "vendor/c"})
        listed = await probe.list_upstream_models(asked, local=None)
        tested = await probe.test_channel(
            asked, models=("a", "c", "llama3", "z"), model=None, local=None
        )
    assert listed == ["a", "b", "llama3:latest", "vendor/c"]
    assert tested.error is None
    assert tested.ms is not None
    assert tested.missing_models == ("z",)
    assert double.requests[0].headers["authorization"] == f"Bearer {CREDENTIAL}"


async def test_no_credential_sends_no_authorization() -> None:
    async with OpenAIDouble() as double:
        await probe.list_upstream_models(channel(double.url), local=None)
    assert "authorization" not in double.requests[0].headers


async def test_a_real_call_goes_to_the_upstreams_own_model_with_a_ceiling() -> None:
    async with OpenAIDouble() as double:
        asked = channel(double.url, model_mapping={"ours": "theirs"})
        tested = await probe.test_channel(asked, models=(), model="ours", local=None)
    assert tested.error is None
    (seen,) = double.requests
    assert seen.path == "/v1/chat/completions"
    assert (seen.data["model"], seen.data["max_tokens"]) == ("theirs", 16)


async def test_a_real_call_that_fails_says_what_the_upstream_says() -> None:
    async with OpenAIDouble() as double:
        double.behaviours["bad"] = Behaviour(status=500)
        tested = await probe.test_channel(channel(double.url), models=(), model="bad", local=None)
    assert tested.error is not None
    assert "500" in tested.error
    assert "the double says 500" in tested.error


async def test_a_model_that_knows_only_the_newer_ceiling_is_asked_with_it() -> None:
    bodies = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        bodies.append(json.loads(await reader.readexactly(length)))
        if "max_tokens" in bodies[-1]:
            message = "Unsupported parameter: use 'max_completion_tokens' instead."
            writer.write(http(400, {"error": {"message": message}}))
        else:
            writer.write(http(200, {"choices": []}))

    async with upstream(answer) as url:
        tested = await probe.test_channel(channel(url + "/v1"), models=(), model="o", local=None)
    assert tested.error is None
    assert "max_tokens" not in bodies[1]
    assert bodies[1]["max_completion_tokens"] == 16


@pytest.mark.parametrize(
    ("answer", "path", "words"),
    [
        (http(401, {"error": {"message": "bad key"}}), "/v1", ["401", "credential", "bad key"]),
        (http(403, b"<html>"), "/v1", ["403", "credential"]),
        (http(404, b"404 page not found"), "", ["404", "is /v1 missing from the base URL?"]),
        (http(404, b""), "/v1", ["404", "/v1/models", "OpenAI-compatible"]),
        (http(429, {"error": "slow down"}), "/v1", ["429", "too often", "slow down"]),
        (http(503, {"message": "loading\r\nmodel"}), "/v1", ["503", "loading model"]),
        (
            http(301, b"", "location: https://user:pw@example.com/v1/models?key=s\r\n"),
            "/v1",
            ["redirects to https://example.com/v1/models."],
        ),
        (http(302, b"", "location: http://[\r\n"), "/v1", ["redirects. Write"]),
        (http(200, b"<html>hello</html>"), "", ["not a JSON object", "is /v1 missing"]),
        (http(200, b"[" * 100_000), "/v1", ["not a JSON object"]),
        (http(200, b"[]"), "/v1", ["not a JSON object"]),
        (http(200, {"models": []}), "/v1", ["not with a list of models"]),
        (b"220 mail.example.com ESMTP\r\n", "/v1", ["did not answer in HTTP/1.1"]),
        (b"", "/v1", ["closed the connection before it answered"]),
        (b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n{", "/v1", ["in the middle of its answer"]),
    ],
)
async def test_a_bad_answer_is_explained(answer: bytes, path: str, words: list[str]) -> None:
    async with upstream(answer) as url:
        said = await problem(channel(url + path))
    for word in words:
        assert word in said
    assert len(said) < 500


async def test_a_credential_the_upstream_repeats_is_not_shown() -> None:
    echo = http(401, {"error": {"message": f"wrong key: {CREDENTIAL}"}})
    async with upstream(echo) as url:
        said = await problem(channel(url, credential=CREDENTIAL))
    assert "wrong key: ***" in said
    assert CREDENTIAL not in said


async def test_a_missing_credential_is_told_from_a_refused_one() -> None:
    async with upstream(http(401, b"")) as url:
        assert "it wants a credential" in await problem(channel(url))
        refused = await problem(channel(url, credential=CREDENTIAL))
    assert "it refuses the credential" in refused


async def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MAX_ANSWER", 1000)
    async with upstream(http(200, b" " * 100_000)) as url:
        assert "more than 1000 bytes" in await problem(channel(url))


async def test_a_dripping_answer_ends_with_our_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 0.3)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 10000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with upstream(drip) as url:
        assert "did not finish in 0.3 s" in await problem(channel(url))


async def test_a_silent_upstream_meets_the_channels_own_time_out() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()

    async with upstream(silent) as url:
        asked = channel(url, timeouts=Timeouts(connect=1, first_byte=0.2, idle=1))
        tested = await probe.test_channel(asked, models=(), model=None, local=None)
        await asyncio.wait_for(gone.wait(), 5)  # and the connection is closed
    assert tested.error is not None
    assert "did not answer in 0.2 s" in tested.error


async def test_nobody_there_an_unknown_name_and_a_plain_server_are_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert f"127.0.0.1:{port} refuses connections" in await problem(
            channel(f"http://127.0.0.1:{port}/v1")
        )
        assert "refuses connections" in await problem(channel(f"http://localhost:{port}/v1"))

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(http(400, b"what is this"))

    async with upstream(plain) as url:
        assert "Is this a plain http:// server" in await problem(
            channel(url.replace("http", "https"))
        )

    async def unknown(*args: Any, **more: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    # No question about a name leaves this machine.
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    said = await problem(channel("http://nowhere.example/v1"))
    assert "The name nowhere.example is not known" in said


class Local:
    """Stands for the manager of local models."""

    def __init__(self, base_url: str = "", error: str = "") -> None:
        self.base_url, self.error, self.held = base_url, error, 0

    async def acquire(self, asked: Channel) -> str:
        if self.error:
            raise LocalModelError(self.error)
        self.held += 1
        return self.base_url

    def release(self, asked: Channel) -> None:
        self.held -= 1

    def credential(self, asked: Channel) -> str:
        assert self.held
        return "key-of-the-child"


async def test_a_local_model_is_acquired_asked_with_its_key_and_released() -> None:
    asked = channel("local:tiny", provider="local")
    async with OpenAIDouble(models=("tiny",)) as double:
        local = Local(double.url)
        listed = await probe.list_upstream_models(asked, local=cast("LocalModels", local))
        assert (listed, local.held) == (["tiny"], 0)
        assert double.requests[0].headers["authorization"] == "Bearer key-of-the-child"
    failing = cast("LocalModels", Local(error="there is no local model tiny"))
    tested = await probe.test_channel(asked, models=(), model=None, local=failing)
    assert tested.error is not None
    assert "there is no local model tiny" in tested.error
    with pytest.raises(LocalModelsAway, match="paifang up"):
        await probe.test_channel(asked, models=(), model=None, local=None)


# Over HTTP.


@pytest.fixture
async def runtime(settings: CoreSettings) -> AsyncIterator[Runtime]:
    runtime = open_runtime(settings)
    yield runtime
    await runtime.db.close()


@pytest.fixture
async def api(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    app = api_of(runtime)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"authorization": f"Bearer {runtime.secrets.admin_key}"},
    ) as client:
        yield client


async def _make(api: httpx.AsyncClient, **values: Any) -> str:
    answer = await api.post(URL, json={"name": "one", "provider": "openai", **values})
    assert answer.status_code == 201, answer.text
    return f"{URL}/{answer.json()['id']}"


async def test_the_result_of_a_test_is_kept_and_changes_nothing_else(
    api: httpx.AsyncClient,
) -> None:
    async with OpenAIDouble(models=("a",)) as double:
        path = await _make(api, base_url=double.url, models=["a", "b"])
        before = (await api.get(path)).json()
        good = (await api.post(f"{path}/test")).json()
        called = (await api.post(f"{path}/test", json={"model": "a"})).json()
        listed = await api.get(f"{path}/upstream-models")
    assert (good["ok"], good["error"], good["missing_models"]) == (True, None, ["b"])
    assert (called["ok"], called["missing_models"]) == (True, [])
    assert listed.json() == {"models": ["a"]}
    kept = (await api.get(path)).json()
    tested = {"tested_at": called["tested_at"], "test_ms": called["ms"], "test_error": None}
    assert kept == {**before, **tested}

    bad = (await api.post(f"{path}/test")).json()  # the double is gone
    assert (bad["ok"], bad["ms"]) == (False, None)
    assert "refuses connections" in bad["error"]
    kept = (await api.get(path)).json()
    assert (kept["test_ms"], kept["test_error"]) == (None, bad["error"])
    failed = await api.get(f"{path}/upstream-models")
    assert (failed.status_code, failed.json()["code"]) == (502, "upstream_failed")
    assert failed.json()["detail"] == bad["error"]


async def test_no_transaction_is_open_while_the_upstream_is_asked(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pool = cast("Any", runtime.db.engine.sync_engine.pool)
        writer.write(http(200, {"data": [{"id": f"open: {pool.checkedout()}"}]}))

    async with upstream(answer) as url:
        path = await _make(api, base_url=url)
        listed = await api.get(f"{path}/upstream-models")
    assert listed.json() == {"models": ["open: 0"]}


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_channel_deleted_during_its_test_is_no_error(api: httpx.AsyncClient) -> None:
    path = ""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await api.delete(path)).status_code == 204
        writer.write(http(200, {"data": []}))

    async with upstream(answer) as url:
        path = await _make(api, base_url=url)
        assert (await api.post(f"{path}/test")).json()["ok"] is True
    assert (await api.get(path)).status_code == 404


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_local_channel_says_where_it_can_be_tested(api: httpx.AsyncClient) -> None:
    path = await _make(api, provider="local", base_url="local:tiny")
    answer = await api.post(f"{path}/test")
    assert (answer.status_code, answer.json()["code"]) == (503, "local_models_away")
    assert "paifang up" in answer.json()["detail"]
