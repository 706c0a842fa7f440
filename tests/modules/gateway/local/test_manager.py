"""With the real model and the real engine: `make models` installs them, nothing is skipped."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import httpx
import openai
import psutil
import pytest

from paifang.core.processes.child import State, clean_environment, python_module
from paifang.modules.gateway.local import files
from paifang.modules.gateway.local.errors import LocalModelError
from paifang.modules.gateway.local.manager import LocalModels
from paifang.modules.gateway.local.settings import LocalSettings
from paifang.modules.gateway.relay import local as relay
from paifang.modules.gateway.relay.snapshot import Channel

pytestmark = pytest.mark.needs("model")

MODEL = files.PACKAGED_NAME
SMALL = {"context": 512, "parallel": 2, "batch": 256}
"""Small contexts load faster and leave memory to the other tests."""


def channel(model=MODEL, base_url=None):
    return Channel(id="1", name="home", provider="local", base_url=base_url or f"local:{model}")


@pytest.fixture
async def make(tmp_path):
    """Makes managers and closes them."""
    missing = files.find(tmp_path).missing
    assert missing == (), f"run `make models` before the tests: {missing}"
    made = []

    def make(**settings):
        made.append(LocalModels(tmp_path, LocalSettings(**SMALL | settings)))
        return made[-1]

    yield make
    for manager in made:
        await manager.close()


async def state(manager, wanted, model=MODEL):
    """The model's status once its state is the one wanted."""
    async with asyncio.timeout(20):
        while (status := only(manager)).state is not wanted:
            await manager._supervisor.changed(f"local-{model}")
        return status


def only(manager):
    [status] = manager.status()
    return status


def client(manager, url):
    key = manager.credential(channel())
    # A connection for each call, as the relay has it: llama.cpp's server may close one that rests
    # in the very moment in which a request is on its way.
    alone = {"Connection": "close"}
    return openai.AsyncOpenAI(
        base_url=url, api_key=key, max_retries=0, timeout=30, default_headers=alone
    )


async def test_one_child_answers_chats_completions_and_embeddings(make):
    manager = make()
    url = await manager.acquire(channel())
    ask = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}]}
    async with client(manager, url) as ai:
        chat = await ai.chat.completions.create(**ask, max_tokens=8, seed=1)
        assert chat.choices[0].message.content
        assert chat.model == MODEL
        assert 0 < chat.usage.completion_tokens <= 8
        assert chat.usage.prompt_tokens > 0

        stream = await ai.chat.completions.create(
            **ask, max_tokens=8, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert len(chunks) > 3
        assert chunks[-1].choices == []
        assert 0 < chunks[-1].usage.completion_tokens <= 8

        text = await ai.completions.create(model=MODEL, prompt="The sky is", max_tokens=4)
        assert text.choices[0].text
        assert text.usage.completion_tokens == 4

        texts = ["The cat sleeps on the sofa.", "A cat is asleep on the couch.", "Tax law of 1983"]
        for encoding in ("float", openai.omit):  # the package itself asks for base64 by default
            made = await ai.embeddings.create(model=MODEL, input=texts, encoding_format=encoding)
            cat, couch, tax = (item.embedding for item in made.data)
            assert len(cat) == 576
            assert abs(sum(x * x for x in cat) - 1) < 1e-3
            assert dot(cat, couch) > dot(cat, tax)
            assert made.usage.prompt_tokens > 10

        with pytest.raises(openai.BadRequestError, match="context size"):
            long = [{"role": "user", "content": "word " * 600}]
            await ai.chat.completions.create(model=MODEL, messages=long)
    manager.release(channel())


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


async def test_the_child_listens_on_the_loopback_only_and_asks_for_its_key(make):
    manager = make()
    url = await manager.acquire(channel())
    process = psutil.Process(only(manager).pid)
    listening = [c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
    assert [(addr.ip, addr.port) for addr in listening] == [("127.0.0.1", only(manager).port)]
    key = manager.credential(channel())
    assert len(key) >= 32
    assert key not in " ".join(process.cmdline())
    assert key not in repr(process.environ())
    async with httpx.AsyncClient(trust_env=False) as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            for path in ("/models", "/chat/completions"):
                answer = await http.post(url + path, json={"messages": []}, headers=headers)
                assert answer.status_code == 401


async def test_acquires_at_the_same_time_start_one_child(make):
    manager = make()
    impatient = asyncio.create_task(manager.acquire(channel()))
    urls = asyncio.gather(*(manager.acquire(channel()) for _ in range(4)))
    await state_known(manager)
    impatient.cancel()
    assert len(set(await urls)) == 1
    assert impatient.cancelled()
    assert only(manager).in_flight == 4
    children = psutil.Process().children(recursive=True)
    mine = [process.pid for process in children if MODEL in process.cmdline()]
    assert mine == [only(manager).pid]
    for _ in range(4):
        manager.release(channel())
    assert only(manager).in_flight == 0
    manager.release(channel())  # one too many is forgiven
    assert only(manager).in_flight == 0


async def state_known(manager):
    async with asyncio.timeout(20):
        # Asked again and again: meanwhile a thread looks at the file, which sets no event.
        while not manager.status() or only(manager).state is State.STOPPED:  # noqa: ASYNC110  # another process decides
            await asyncio.sleep(0.005)


async def test_a_crashed_model_comes_back_for_the_next_call_with_another_key(make):
    manager = make()
    await manager.acquire(channel())
    before, key = only(manager), manager.credential(channel())
    assert before.rss > 50_000_000
    os.kill(before.pid, signal.SIGKILL)
    crashed = await state(manager, State.BACKING_OFF)
    assert "SIGKILL" in crashed.error
    assert crashed.port is None
    url = await manager.acquire(channel())
    after = only(manager)
    assert after.pid != before.pid
    assert (after.restarts, after.state, after.in_flight) == (1, State.READY, 2)
    assert manager.credential(channel()) != key
    async with client(manager, url) as ai:
        assert (await ai.models.list()).data[0].id == MODEL


async def test_a_model_that_nobody_calls_is_unloaded_and_comes_back(make):
    manager = make(idle_seconds=0.1)
    await manager.acquire(channel())
    await manager.acquire(channel())
    pid = only(manager).pid
    manager.release(channel())
    assert manager._models[MODEL].unload is None, "it has a call in flight"
    assert only(manager).idle_since is None
    manager.release(channel())
    assert only(manager).idle_since is not None
    unloaded = await state(manager, State.STOPPED)
    assert (unloaded.pid, unloaded.rss, unloaded.error) == (None, None, "")
    assert not psutil.pid_exists(pid)
    await manager.acquire(channel())
    assert only(manager).state is State.READY


async def test_a_call_in_time_keeps_an_idle_model_loaded(make):
    manager = make(idle_seconds=600)
    await manager.acquire(channel())
    manager.release(channel())
    timer = manager._models[MODEL].unload
    await manager.acquire(channel())
    assert timer.cancelled()


async def test_zero_idle_seconds_never_unload(make):
    manager = make(idle_seconds=0)
    await manager.acquire(channel())
    manager.release(channel())
    assert manager._models[MODEL].unload is None


async def test_a_model_that_is_not_there_is_refused_with_what_is(make, tmp_path):
    manager = make()
    with pytest.raises(LocalModelError) as caught:
        await manager.acquire(channel("nothing"))
    assert MODEL in caught.value.message
    assert str(tmp_path / "models") in caught.value.message
    assert caught.value.retry_after is None
    assert manager.status() == []
    for base_url in ("http://127.0.0.1/v1", "local:", ""):
        wrong = Channel(id="1", name="home", provider="local", base_url=base_url)
        with pytest.raises(LocalModelError, match="must be local:<model>"):
            await manager.acquire(wrong)


async def test_a_missing_engine_is_told_to_every_call(make, monkeypatch):
    manager = make()
    monkeypatch.setattr(files, "engine_missing", lambda: "no engine: `make models`")
    for _ in range(2):
        with pytest.raises(LocalModelError, match="no engine: `make models`"):
            await manager.acquire(channel())
    monkeypatch.undo()
    assert await manager.acquire(channel())


async def test_a_file_that_cannot_be_loaded_fails_its_calls_and_then_rests(make, tmp_path):
    folder = files.models_folder(tmp_path)
    folder.mkdir()
    (folder / "broken.gguf").write_bytes(b"GGUF" + bytes(64))
    manager = make()
    failures = await asyncio.gather(
        *(manager.acquire(channel("broken")) for _ in range(3)), return_exceptions=True
    )
    assert {type(failure) for failure in failures} == {LocalModelError}
    assert {failure.message for failure in failures} == {failures[0].message}
    assert "broken could not be started: local-broken exited with code 1" in failures[0].message
    assert "\n" not in failures[0].message
    status = only(manager)
    assert (status.state, status.pid, status.in_flight) == (State.FAILED, None, 0)
    with pytest.raises(LocalModelError, match="rests after a failure") as caught:
        await manager.acquire(channel("broken"))
    assert 0 < caught.value.retry_after <= 0.5
    manager._models["broken"].not_before = 0.0
    with pytest.raises(LocalModelError) as caught:
        await manager.acquire(channel("broken"))
    assert caught.value.retry_after == 1.0, "the second failure in a row rests twice as long"


async def test_the_relay_knows_the_manager_and_its_errors(make):
    models: relay.LocalModels = make()
    with pytest.raises(relay.LocalModelError):
        await models.acquire(channel("nothing"))
    assert models.credential(channel("nothing")) == ""


async def test_close_ends_the_child_and_refuses_calls(make):
    manager = make()
    await manager.acquire(channel())
    pid = only(manager).pid
    starting = make()
    waiting = asyncio.create_task(starting.acquire(channel()))
    await state_known(starting)
    await asyncio.gather(manager.close(), starting.close())
    assert not psutil.pid_exists(pid)
    with pytest.raises(LocalModelError):
        await waiting
    with pytest.raises(LocalModelError, match="shutting down"):
        await manager.acquire(channel())


PARENT = """
import asyncio, json, sys
from pathlib import Path
from paifang.modules.gateway.local.manager import LocalModels
from paifang.modules.gateway.local.settings import LocalSettings
from paifang.modules.gateway.relay.snapshot import Channel

async def main():
    models = LocalModels(Path(sys.argv[1]), LocalSettings(context=512, parallel=1))
    await models.acquire(Channel("1", "home", "local", "local:smollm2-135m-instruct"))
    print(json.dumps(models.status()[0].pid), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_kill_9_of_the_gateway_leaves_no_model_behind(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        env=clean_environment(),
    )
    try:
        with parent.stdout:
            child = psutil.Process(json.loads(parent.stdout.readline()))
        parent.kill()
        parent.wait(timeout=10)
        psutil.wait_procs([child], timeout=5)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    finally:
        parent.kill()
        parent.wait(timeout=10)


def test_the_server_wants_a_key_and_a_file_it_can_read(tmp_path):
    argv = python_module("paifang.modules.gateway.local.server", "--alias", "m", "--model")
    for stdin, model, code, words in (
        (b"", "m.gguf", 2, b"no API key on standard input"),
        (b"key\n", str(tmp_path / "away.gguf"), 1, b"away.gguf can't be served"),
    ):
        process = subprocess.Popen(
            [*argv, model],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            start_new_session=True,
        )
        process.stdin.write(stdin)
        process.stdin.flush()
        if not stdin:
            process.stdin.close()
        assert process.wait(timeout=20) == code
        assert words in process.stderr.read()
        process.stdin.close()
        process.stderr.close()
