"""Channels over HTTP, on every database."""

import dataclasses
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from doubles.api import api_of
from paifang.app import open_runtime
from paifang.core.audit import AuditEntry
from paifang.core.auth import Principal
from paifang.core.db import read_version
from paifang.core.errors import Invalid
from paifang.core.pagination import PageQuery
from paifang.core.runtime import Runtime
from paifang.core.settings import CoreSettings
from paifang.modules.gateway.channels import service
from paifang.modules.gateway.channels.errors import CredentialUnreadable
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.channels.providers import normal_base_url

URL = "/api/v1/gateway/channels"
CREDENTIAL = "sk-made-up-credential-9876"
ACTOR = Principal(id="tester", name="Tester", all_permissions=True)


@pytest.fixture
async def runtime(settings: CoreSettings) -> AsyncIterator[Runtime]:
    runtime = open_runtime(settings)
    yield runtime
    await runtime.db.close()


@pytest.fixture
async def api(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    app = api_of(runtime)
    key = runtime.secrets.admin_key
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"authorization": f"Bearer {key}"},
    ) as client:
        yield client


def _new(**changes: Any) -> dict[str, Any]:
    return {"name": "one", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", **changes}


async def _make(api: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await api.post(URL, json=_new(**changes))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def _version(runtime: Runtime) -> int:
    async with runtime.db.reading() as session:
        return await read_version(session, "gateway")


async def _audit(runtime: Runtime) -> list[AuditEntry]:
    async with runtime.db.reading() as session:
        return list(await session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


async def test_a_channel_is_made_read_listed_and_deleted(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    made = await _make(
        api,
        credential=CREDENTIAL,
        models=["gpt-x", "gpt-y", "gpt-x"],
        model_mapping={"gpt-y": "vendor/y"},
        priority=-5,
        weight=3,
        connect_timeout=1.5,
    )
    assert made["number"] == 1
    assert made["models"] == ["gpt-x", "gpt-y"]
    assert made["model_mapping"] == {"gpt-y": "vendor/y"}
    assert (made["priority"], made["weight"], made["connect_timeout"]) == (-5, 3, 1.5)
    assert (made["status"], made["used"], made["requests"]) == ("enabled", "0", 0)
    assert (made["tested_at"], made["test_ms"], made["test_error"]) == (None, None, None)

    assert (await api.get(f"{URL}/{made['id']}")).json() == made
    assert (await api.get(URL)).json() == {
        "items": [made],
        "total": 1,
        "page": 1,
        "page_size": 20,
    }
    assert (await api.delete(f"{URL}/{made['id']}")).status_code == 204
    gone = await api.get(f"{URL}/{made['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "channel_not_found")
    assert (await api.delete(f"{URL}/{made['id']}")).status_code == 404
    assert await _version(runtime) == 2  # made and deleted; the failed deletion changed nothing


async def test_a_credential_is_never_shown_or_stored_in_the_clear(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    made = await _make(api, credential=f"  {CREDENTIAL}\n")
    short = await _make(api, name="short", credential="elevenchars")
    bare = await _make(api, name="bare")
    assert (made["credential_set"], made["credential_hint"]) == (True, "9876")
    assert (short["credential_set"], short["credential_hint"]) == (True, None)
    assert (bare["credential_set"], bare["credential_hint"]) == (False, None)
    changed = await api.patch(f"{URL}/{made['id']}", json={"credential": CREDENTIAL + "-new"})
    everything = changed.text + (await api.get(URL)).text
    assert CREDENTIAL not in everything
    async with runtime.db.reading() as session:
        rows = {row.name: row for row in await session.scalars(select(Channel))}
    assert CREDENTIAL not in str(rows["one"].credential)
    relayed = service.for_relay(rows["one"], secrets=runtime.secrets)
    assert relayed.credential == CREDENTIAL + "-new"
    assert CREDENTIAL not in repr(relayed)
    assert service.for_relay(rows["bare"], secrets=runtime.secrets).credential == ""
    assert CREDENTIAL not in str([entry.changes for entry in await _audit(runtime)])


async def test_a_patch_changes_what_is_sent_and_nothing_else(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    made = await _make(api, credential=CREDENTIAL, models=["a", "b"])
    before = await _version(runtime)
    answer = await api.patch(f"{URL}/{made['id']}", json={"priority": 7, "status": "disabled"})
    changed = answer.json()
    assert changed == {
        **made,
        "priority": 7,
        "status": "disabled",
        "updated_at": changed["updated_at"],
    }
    assert changed["updated_at"] > made["updated_at"]
    assert await _version(runtime) == before + 1
    entry = (await _audit(runtime))[-1]
    assert (entry.action, entry.actor_id) == ("gateway.channel.update", "administrator")
    assert entry.changes == {"priority": [0, 7], "status": ["enabled", "disabled"]}

    same = await api.patch(f"{URL}/{made['id']}", json={"priority": 7})
    assert same.json() == changed
    assert await _version(runtime) == before + 1  # nothing changed, so nobody is told

    cleared = await api.patch(f"{URL}/{made['id']}", json={"credential": None})
    assert cleared.json()["credential_set"] is False
    assert (await _audit(runtime))[-1].changes == {"credential": "removed"}


async def test_names_are_unique(api: httpx.AsyncClient) -> None:
    await _make(api)
    again = await api.post(URL, json=_new())
    assert (again.status_code, again.json()["code"]) == (409, "channel_name_taken")
    other = await _make(api, name="two")
    renamed = await api.patch(f"{URL}/{other['id']}", json={"name": "one"})
    assert (renamed.status_code, renamed.json()["code"]) == (409, "channel_name_taken")
    kept = await api.patch(f"{URL}/{other['id']}", json={"name": "two"})
    assert kept.status_code == 200
    assert other["number"] == 2  # the refused one used up no number


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"provider": "nobody"}, "provider"),
        ({"base_url": "ftp://example.com"}, "base_url"),
        ({"base_url": "http://user:secret@example.com/v1"}, "base_url"),
        ({"base_url": "http://example.com/v1?key=1"}, "base_url"),
        ({"base_url": "http://example.com/v1/chat/completions"}, "base_url"),
        ({"base_url": "local:smollm"}, "base_url"),
        ({"provider": "local", "base_url": "http://example.com/v1"}, "base_url"),
        ({"provider": "local", "base_url": ""}, "base_url"),
        ({"credential": ""}, "credential"),
        ({"credential": "two words"}, "credential"),
        ({"credential": "k\r\nx-evil: 1"}, "credential"),
        ({"models": ["a", ""]}, "models.1"),
        ({"model_mapping": {"a": "b"}}, "model_mapping"),
        ({"weight": 0}, "weight"),
        ({"priority": 1001}, "priority"),
        ({"priority": -1001}, "priority"),
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"first_byte_timeout": 3601}, "first_byte_timeout"),
        ({"idle_timeout": -1}, "idle_timeout"),
        ({"status": "revoked"}, "status"),
        ({"colour": "red"}, "colour"),
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_value_that_cant_be_right_is_refused_by_its_name(
    api: httpx.AsyncClient, runtime: Runtime, changes: dict[str, Any], field: str
) -> None:
    made = await api.post(URL, json=_new(**changes))
    assert made.status_code == 422, made.text
    assert [error["field"] for error in made.json()["errors"]] == [field]
    assert "secret" not in made.text

    good = await _make(api, name="good")
    patched = await api.patch(f"{URL}/{good['id']}", json=changes)
    assert patched.status_code == 422, patched.text
    assert [error["field"] for error in patched.json()["errors"]] == [field]
    assert (await api.get(f"{URL}/{good['id']}")).json() == good
    if "colour" not in changes:  # the service refuses the same for those who come by another way
        with pytest.raises(Invalid) as refused:
            async with runtime.db.transaction() as session:
                await service.create(
                    session, actor=ACTOR, secrets=runtime.secrets, **_new(**changes)
                )
        assert refused.value.errors[0]["field"] == field


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("body", ['{"name": null}', '{"models": null}', '{"connect_timeout": NaN}'])
async def test_null_and_nan_are_no_values(api: httpx.AsyncClient, body: str) -> None:
    made = await _make(api)
    answer = await api.patch(
        f"{URL}/{made['id']}", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422, answer.text


async def test_a_mapping_is_checked_against_the_models_that_stay(api: httpx.AsyncClient) -> None:
    made = await _make(api, models=["a", "b"], model_mapping={"a": "x"})
    refused = await api.patch(f"{URL}/{made['id']}", json={"models": ["b"]})
    assert refused.json()["errors"][0]["field"] == "model_mapping"
    both = await api.patch(f"{URL}/{made['id']}", json={"models": ["b"], "model_mapping": {}})
    assert both.json()["models"] == ["b"]


@pytest.mark.parametrize(
    ("provider", "given", "stored"),
    [
        ("openai", "https://api.example.com/v1/", "https://api.example.com/v1"),
        ("openai", " http://[::1]:8080 ", "http://[::1]:8080"),
        ("openai", "", "https://api.openai.com/v1"),
        ("ollama", "", "http://127.0.0.1:11434/v1"),
        ("ollama", "http://nas:11434", "http://nas:11434/v1"),
        ("ollama", "http://nas:11434/v1/", "http://nas:11434/v1"),
        ("ollama", "http://nas/ollama/", "http://nas/ollama/v1"),
        ("local", "local:smollm2-135m-instruct", "local:smollm2-135m-instruct"),
    ],
)
def test_base_urls_have_one_stored_form(provider: str, given: str, stored: str) -> None:
    assert normal_base_url(provider, given) == stored


async def test_another_provider_spells_the_base_url_its_way(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    made = await _make(api, base_url="http://nas:11434")
    changed = await api.patch(f"{URL}/{made['id']}", json={"provider": "ollama"})
    assert changed.json()["base_url"] == "http://nas:11434/v1"
    assert (await _audit(runtime))[-1].changes == {
        "provider": ["openai", "ollama"],
        "base_url": ["http://nas:11434", "http://nas:11434/v1"],
    }
    refused = await api.patch(f"{URL}/{made['id']}", json={"provider": "local"})
    assert refused.json()["errors"][0]["field"] == "base_url"


async def test_a_list_is_filtered_sorted_and_costs_two_queries_whatever_its_length(
    api: httpx.AsyncClient, runtime: Runtime, query_count: Any
) -> None:
    for number in range(12):
        await _make(
            api,
            name=f"channel {number:02}",
            provider="ollama" if number % 2 else "openai",
            models=[f"m{number}", "läma", '"quoted"'],
            status="disabled" if number > 9 else "enabled",
            priority=-number,
            credential=CREDENTIAL,
        )

    async def names(query: str) -> list[str]:
        answer = await api.get(f"{URL}?{query}")
        assert answer.status_code == 200, answer.text
        return [item["name"][-2:] for item in answer.json()["items"]]

    assert await names("model=m1") == ["01"]  # not m10 and m11
    assert len(await names("model=l%C3%A4ma")) == 12
    assert len(await names("model=%22quoted%22")) == 12
    assert await names("model=quoted") == []
    assert await names("model=m%25") == []
    assert await names("status=disabled") == ["10", "11"]
    assert await names("provider=ollama&status=disabled") == ["11"]
    assert await names("search=NEL+03") == ["03"]
    assert await names("search=_") == []
    assert await names("sort=priority&page_size=2&page=2") == ["09", "08"]
    assert (await api.get(f"{URL}?sort=credential")).status_code == 422
    assert (await api.get(f"{URL}?model=a%00b")).status_code == 422
    assert (await api.get(f"{URL}?provider=nobody")).status_code == 422
    with query_count(runtime.db) as queries:
        await names("page_size=1")
    few = len(queries)
    with query_count(runtime.db) as queries:
        await names("page_size=100")
    assert (few, len(queries)) == (2, 2)


async def test_a_channel_is_found_by_its_number(api: httpx.AsyncClient, runtime: Runtime) -> None:
    made = await _make(api)
    async with runtime.db.reading() as session:
        found = await service.find_by_number(session, number=1)
        page = await service.list_page(
            session, paging=PageQuery(page=1, page_size=5, sort="-number")
        )
    assert str(found.id) == made["id"]
    assert page.items == [found]


async def test_credentials_are_encrypted_anew_with_the_current_key(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    await _make(api, credential=CREDENTIAL)
    await _make(api, name="bare")
    new = Fernet.generate_key()
    keys = (new, *runtime.secrets.encryption_keys)
    both = dataclasses.replace(runtime.secrets, encryption_keys=keys)
    only_new = dataclasses.replace(runtime.secrets, encryption_keys=(new,))
    with pytest.raises(CredentialUnreadable, match="channel one"):
        async with runtime.db.transaction() as session:
            await service.rotate_credentials(session, actor=ACTOR, secrets=only_new)
    async with runtime.db.transaction() as session:
        assert await service.rotate_credentials(session, actor=ACTOR, secrets=both) == 1
    async with runtime.db.reading() as session:
        channel = await service.find_by_number(session, number=1)
    assert service.for_relay(channel, secrets=only_new).credential == CREDENTIAL


async def test_the_list_survives_a_credential_whose_key_is_lost(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    await _make(api, credential=CREDENTIAL)
    lost = (Fernet.generate_key(),)
    runtime.secrets = dataclasses.replace(runtime.secrets, encryption_keys=lost)
    (item,) = (await api.get(URL)).json()["items"]
    assert (item["credential_set"], item["credential_hint"]) == (True, None)
    tested = await api.post(f"{URL}/{item['id']}/test")
    assert (tested.status_code, tested.json()["code"]) == (409, "credential_unreadable")


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_nobody_gets_in_without_the_key_or_to_what_is_not_there(
    api: httpx.AsyncClient, runtime: Runtime
) -> None:
    for method, path in [
        ("GET", ""),
        ("POST", ""),
        ("GET", f"/{uuid4()}"),
        ("PATCH", f"/{uuid4()}"),
        ("DELETE", f"/{uuid4()}"),
        ("POST", f"/{uuid4()}/test"),
        ("GET", f"/{uuid4()}/upstream-models"),
    ]:
        stranger = await api.request(method, URL + path, headers={"authorization": "Bearer no"})
        assert stranger.status_code == 401, (method, path)
        known = await api.request(method, URL + path, json={} if method == "PATCH" else None)
        expected = 200 if (method, path) == ("GET", "") else 404
        assert known.status_code == (422 if (method, path) == ("POST", "") else expected)


async def test_a_stored_credential_does_not_follow_the_channel_to_another_server(
    api: httpx.AsyncClient,
) -> None:
    made = await _make(api, base_url="https://one.example/v1", credential="sk-of-server-one")
    path = f"{URL}/{made['id']}"
    moved = await api.patch(path, json={"base_url": "https://two.example/v1"})
    assert moved.status_code == 422
    assert moved.json()["errors"][0]["field"] == "credential"
    assert (await api.get(path)).json()["base_url"] == "https://one.example/v1"
    same_server = await api.patch(path, json={"base_url": "https://one.example/other/v1"})
    assert same_server.status_code == 200
    with_another = {"base_url": "https://two.example/v1", "credential": "sk-secret-of-two"}
    assert (await api.patch(path, json=with_another)).status_code == 200
