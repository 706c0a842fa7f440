"""The providers Paifang knows: what is stated of them, and that a channel to each acts on it."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import URL, select

from doubles.installation import Installation
from doubles.openai_upstream import OpenAIDouble
from doubles.relay_server import KEY, relay_server, snapshot
from modules.gateway.test_channels_probe import http, upstream
from paifang.cli import main
from paifang.core.auth import Principal
from paifang.core.runtime import Runtime
from paifang.modules.gateway.channels import probe, service
from paifang.modules.gateway.channels.errors import ModelsNotListed
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.channels.presets.chinese import CHINESE
from paifang.modules.gateway.channels.presets.hosts import HOSTS
from paifang.modules.gateway.channels.presets.makers import MAKERS
from paifang.modules.gateway.channels.presets.servers import LOCAL, SERVERS
from paifang.modules.gateway.channels.providers import (
    PROVIDERS,
    Provider,
    manner_of,
    normal_base_url,
)
from paifang.modules.gateway.relay.snapshot import Channel as RelayChannel
from paifang.modules.gateway.relay.snapshot import Timeouts
from paifang.modules.gateway.relay.upstream.target import Target
from paifang.modules.gateway.snapshot.loader import load
from paifang.modules.gateway.snapshot.records import Records

CREDENTIAL = "sk-made-up-credential-9876"
REMOTE = [provider for provider in PROVIDERS.values() if provider.id != LOCAL]
STREAM = {"stream": True, "messages": [{"role": "user", "content": "Hi"}]}

each = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def filled(provider: Provider) -> str:
    """The provider's base URL as an owner completes it."""
    return re.sub(r"\{\w+\}", "mine", provider.base_url)


def at(double: OpenAIDouble, provider: Provider) -> str:
    """The provider's base URL, but on the double."""
    return f"http://127.0.0.1:{double.port}{urlsplit(filled(provider)).path}"


def test_there_are_many_and_each_is_there_once_and_in_order() -> None:
    parts = (MAKERS, CHINESE, HOSTS, SERVERS)
    assert len(PROVIDERS) == sum(len(part) for part in parts) >= 25
    for part in parts:
        assert [provider.id for provider in part] == sorted(provider.id for provider in part)
    labels = [provider.label for provider in PROVIDERS.values()]
    assert len(set(labels)) == len(labels)
    assert list(PROVIDERS) == sorted(PROVIDERS)


@each
def test_what_is_stated_of_a_provider_can_be_right(provider: Provider) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", provider.id)
    assert len(provider.id) <= 32  # its column
    assert provider.label.isprintable()
    assert provider.endpoints[0] == "chat"
    assert not provider.note or provider.note.endswith((".", "...")), provider.note
    for address in (provider.source, *filter(None, [provider.keys_url])):
        target = urlsplit(address)
        assert (target.scheme, bool(target.netloc)) == ("https", True), address
        assert address.isascii()
    assert provider.models is None or re.fullmatch(r"/?[a-z]+(/[a-z]+)*", provider.models)
    for name in (provider.credential_header, *filter(None, [provider.list_header])):
        assert re.fullmatch(r"[a-z-]+", name)
    assert all(name == name.lower() and text.isascii() for name, text in provider.headers.items())
    if provider.needs_credential:
        assert provider.keys_url
        assert re.fullmatch(r"[A-Z0-9_]+", provider.variable)
        assert provider.base_url.startswith("https://")
    assert set(re.findall(r"\{(\w+)\}", provider.base_url)) == set(provider.placeholders)


@pytest.mark.parametrize("provider", REMOTE, ids=lambda provider: provider.id)
def test_a_base_url_is_in_its_stored_form(provider: Provider) -> None:
    Target.parse(filled(provider))
    assert normal_base_url(provider.id, filled(provider)) == filled(provider)


@sqlite
@pytest.mark.parametrize(
    ("provider", "base_url", "said"),
    [
        ("azure-openai", "", "replace {resource} with the name of your Azure OpenAI resource"),
        ("cloudflare", PROVIDERS["cloudflare"].base_url, "{account_id} with the id of your"),
        ("azure-openai", "https://<resource>.openai.azure.com/openai/v1", "replace {resource}"),
        ("dashscope", "https://{workspace}.example/v1", "put your own name where"),
    ],
)
async def test_a_blank_in_a_base_url_must_be_filled_in(
    api: httpx.AsyncClient, provider: str, base_url: str, said: str
) -> None:
    new = {"name": "one", "provider": provider, "base_url": base_url}
    answer = await api.post("/channels", json=new)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] == "base_url"
    assert said in error["message"]


@sqlite
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("gorq", "groq"),
        ("azure", "azure-openai"),
        ("Claude", "anthropic"),
        ("grok", "xai, groq"),
        ("ollamma", "ollama"),
        ("", "paifang gateway providers list"),
        ("nothing-like-it", "openai stands for any other"),
    ],
)
async def test_an_unknown_provider_is_told_which_it_may_have_been_meant_for(
    api: httpx.AsyncClient, given: str, meant: str
) -> None:
    answer = await api.post("/channels", json={"name": "one", "provider": given})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "provider"
    assert meant in error["message"]


@sqlite
async def test_a_channel_of_each_provider_calls_it_the_way_it_wants(
    runtime: Runtime, actor: Principal, tmp_path: Path
) -> None:
    async with OpenAIDouble() as double, relay_server(tmp_path / "journal") as server:
        async with runtime.db.transaction() as session:
            for provider in REMOTE:
                await service.create(
                    session,
                    actor=actor,
                    secrets=runtime.secrets,
                    name=provider.id,
                    provider=provider.id,
                    base_url=at(double, provider),
                    credential=CREDENTIAL,
                    models=[provider.id],
                )
        loaded = await load(runtime.db, runtime.secrets, Records(runtime.secrets))
        server.relay.use(snapshot(loaded.channels))
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            for provider in REMOTE:
                asks = [
                    {**STREAM, "model": provider.id},
                    {**STREAM, "model": provider.id, "stream_options": {"include_usage": True}},
                ]
                for ask in asks:
                    answer = await client.post(
                        "/chat/completions", json=ask, headers={"authorization": f"Bearer {KEY}"}
                    )
                    assert (answer.status_code, "[DONE]" in answer.text) == (200, True), answer.text
                    seen = double.requests[-1]
                    check_call(provider, seen.path, seen.headers, seen.data)


def check_call(provider: Provider, path: str, headers: dict[str, str], body: Any) -> None:
    """A call as the upstream saw it."""
    assert path == f"{urlsplit(filled(provider)).path}/chat/completions"
    bearer = provider.credential_header == "authorization"
    assert headers[provider.credential_header] == ("Bearer " if bearer else "") + CREDENTIAL
    assert [name for name, text in headers.items() if CREDENTIAL in text] == [
        provider.credential_header
    ]
    assert provider.headers.items() <= headers.items()
    refused = provider.stream_usage == "refused"
    assert body.get("stream_options") == (None if refused else {"include_usage": True})


@pytest.mark.parametrize("provider", REMOTE, ids=lambda provider: provider.id)
async def test_a_provider_is_asked_for_its_models_the_way_it_wants(provider: Provider) -> None:
    async with OpenAIDouble(models=("one", "two")) as double:
        asked = relayed(provider.id, at(double, provider), credential=CREDENTIAL)
        if provider.models is None:
            for ask in (
                probe.list_upstream_models(asked, local=None),
                probe.test_channel(asked, models=(), model=None, local=None),
            ):
                with pytest.raises(ModelsNotListed, match="does not list its models"):
                    await ask
            called = await probe.test_channel(asked, models=(), model="one", local=None)
            assert called.error is None
        else:
            assert await probe.list_upstream_models(asked, local=None) == ["one", "two"]
    (seen,) = double.requests
    header = provider.credential_header
    if provider.models is not None:
        header = provider.list_header or header
        root = "" if provider.models.startswith("/") else f"{urlsplit(filled(provider)).path}/"
        assert seen.path == root + provider.models
    assert seen.headers[header].removeprefix("Bearer ") == CREDENTIAL
    assert [name for name, text in seen.headers.items() if CREDENTIAL in text] == [header]
    assert provider.headers.items() <= seen.headers.items()


async def test_a_bare_array_is_a_list_of_models_too() -> None:
    rows = b'[{"id": "maker/b"}, {"id": "maker/a"}, {"name": "no id"}, 7]'
    async with upstream(http(200, rows)) as url:
        asked = relayed("together", f"{url}/v1")
        assert await probe.list_upstream_models(asked, local=None) == ["maker/a", "maker/b"]


def relayed(provider: str, base_url: str, credential: str = "") -> RelayChannel:
    """A channel as the relay knows it."""
    waits = Timeouts(connect=5, first_byte=5, idle=5)
    return RelayChannel(
        id="1",
        name="one",
        provider=provider,
        base_url=base_url,
        credential=credential,
        timeouts=waits,
        **manner_of(provider),
    )


@sqlite
async def test_the_api_lists_them_all_without_asking_the_database(
    api: httpx.AsyncClient, runtime: Runtime, query_count: Any
) -> None:
    with query_count(runtime.db) as queries:
        answer = await api.get("/providers")
    assert answer.status_code == 200
    assert len(queries) == 0
    found = {provider["id"]: provider for provider in answer.json()}
    assert list(found) == list(PROVIDERS)
    assert found["azure-openai"] == {
        "id": "azure-openai",
        "label": "Azure OpenAI",
        "base_url": "https://{resource}.openai.azure.com/openai/v1",
        "placeholders": {"resource": "the name of your Azure OpenAI resource"},
        "needs_credential": True,
        "variable": "AZURE_OPENAI_API_KEY",
        "keys_url": "https://portal.azure.com",
        "source": PROVIDERS["azure-openai"].source,
        "lists_models": False,
        "endpoints": ["chat", "completions", "embeddings"],
        "stream_usage": "asked",
        "note": PROVIDERS["azure-openai"].note,
    }
    assert found["mistral"]["stream_usage"] == "refused"
    assert found["ollama"]["lists_models"] is True
    stranger = await api.get("/providers", headers={"authorization": "Bearer no"})
    assert stranger.status_code == 401


@sqlite
async def test_a_test_without_a_model_says_when_none_can_be_listed(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    new = {"name": "one", "provider": "perplexity", "models": ["sonar"]}
    made = (await api.post("/channels", json=new)).json()
    assert made["base_url"] == "https://api.perplexity.ai"
    for answer in (
        await api.post(f"/channels/{made['id']}/test"),
        await api.get(f"/channels/{made['id']}/upstream-models"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "models_not_listed")
        assert "Perplexity does not list its models: name" in answer.json()["detail"]
    async with runtime.db.reading() as session:
        row = (await session.scalars(select(Channel))).one()
    assert (row.tested_at, row.test_error) == (None, None)  # it is not the upstream that failed


def test_the_commands_show_them() -> None:
    def run(*words: str) -> str:
        ended = CliRunner().invoke(main, ["gateway", "providers", *words])
        assert ended.exit_code == (2 if "gorq" in words else 0), ended.output
        return ended.output

    assert [provider["id"] for provider in json.loads(run("list", "--json"))] == list(PROVIDERS)
    table = run("list")
    assert all(f"\n{provider} " in table for provider in PROVIDERS), table
    shown = run("show", "azure-openai")
    assert re.search(r"\{resource\} +the name of your Azure OpenAI resource\n", shown)
    assert json.loads(run("show", "mistral", "--json"))["variable"] == "MISTRAL_API_KEY"
    assert "did you mean one of: groq?" in run("show", "gorq")


@sqlite
async def test_a_channel_is_added_by_the_name_of_its_provider(
    tmp_path: Path, empty_database_url: URL
) -> None:
    installation = Installation(
        tmp_path, PAIFANG_DB_URL=empty_database_url.render_as_string(hide_password=False)
    )
    status, output = await installation.command("migrate")
    assert status == 0, output
    add = ("gateway", "channels", "add", "--name")
    async with OpenAIDouble(models=("a", "b")) as double:
        url = f"http://127.0.0.1:{double.port}/openai/v1"
        given = ("--provider", "groq", "--base-url", url, "--credential-stdin")
        status, output = await installation.command(*add, "one", *given, stdin=b"gsk-tests\n")
        assert (status, "a, b" in output) == (0, True), output
        assert double.requests[-1].path == "/openai/v1/models"
    for arguments, said in (
        (("groq",), "needs a credential: give it with --credential-stdin"),
        (("azure-openai", "--credential-stdin"), "replace {resource}"),
        (("cohere", "--credential-stdin"), "name the models with --model"),
    ):
        wanted = (*add, "two", "--provider", *arguments)
        status, output = await installation.command(*wanted, stdin=b"sk-1\n")
        assert (status != 0, said in output) == (True, True), output
        assert "Traceback" not in output
