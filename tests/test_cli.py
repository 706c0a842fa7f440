"""The commands, as people type them."""

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import URL, select

from doubles.installation import Installation
from doubles.openai_upstream import OpenAIDouble
from paifang.core.db import Database
from paifang.modules.access.roles.models import Role

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
async def installation(tmp_path: Path, empty_database_url: URL) -> Installation:
    made = Installation(
        tmp_path,
        PAIFANG_DB_URL=empty_database_url.render_as_string(hide_password=False),
    )
    status, output = await made.command("migrate")
    assert status == 0, output
    return made


def inside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_stranger_finds_the_way(tmp_path: Path, database_kind: str) -> None:
    status, output = await Installation(tmp_path).command("--help")
    assert status == 0
    assert "paifang up" in output
    assert "doctor" in output


async def test_commands_before_the_first_migration_say_what_to_do(
    tmp_path: Path, database_kind: str
) -> None:
    status, output = await Installation(tmp_path).command("gateway", "tokens", "list")
    assert status == 1
    assert "paifang migrate" in output
    assert "Traceback" not in output


async def test_migrate_makes_the_built_in_roles(
    installation: Installation, empty_database_url: URL
) -> None:
    database = Database(empty_database_url)
    async with database.reading() as session:
        codes = await session.scalars(select(Role.code).order_by(Role.code))
        assert list(codes) == ["administrator", "member"]
    await database.close()


async def test_a_misspelt_setting_ends_every_command(installation: Installation) -> None:
    installation.variables["PAIFANG_GATEWAY_CURENCY"] = "EUR"
    status, output = await installation.command("check")
    assert status == 1
    assert "did you mean PAIFANG_GATEWAY_CURRENCY?" in output


@pytest.mark.parametrize(
    "command",
    [("check",), ("doctor",), ("backup", "copy.tar.gz"), ("gateway", "tokens", "list")],
)
async def test_a_command_that_only_looks_makes_nothing_where_nothing_is(
    tmp_path: Path, database_kind: str, command: tuple[str, ...]
) -> None:
    installation = Installation(tmp_path)
    status, output = await installation.command("--home", "hoem", *command)
    assert status == 1
    assert "there is no installation in hoem" in output
    assert "paifang migrate" in output
    assert inside(tmp_path) == []
    (tmp_path / "hoem").mkdir()  # a folder of somebody else's
    status, output = await installation.command("--home", "hoem", *command)
    assert (status, inside(tmp_path / "hoem")) == (1, []), output


async def test_an_installation_that_keeps_everything_elsewhere_needs_no_folder(
    tmp_path: Path, installation: Installation
) -> None:
    for name in ("secret", "encryption"):
        [file] = installation.home.glob(f"{name}.key*")
        variable = {"secret": "SECRET_KEY", "encryption": "ENCRYPTION_KEYS"}[name]
        installation.variables[f"PAIFANG_{variable}"] = file.read_text().strip()
    status, output = await installation.command("--home", "fresh", "gateway", "groups", "list")
    assert status == 0, output


@pytest.mark.parametrize("command", [("check",), ("up",), ("migrate",)])
async def test_a_home_that_is_no_text_ends_every_command_in_one_line(
    installation: Installation, command: tuple[str, ...]
) -> None:
    status, output = await installation.command("--home", os.fsdecode(b"h\xf6me"), *command)
    assert status == 1
    assert output.splitlines() == [
        "Error: the settings are not right:",
        "PAIFANG_HOME: Input should be valid UTF-8 text",
    ]


async def test_check_and_doctor_pass_on_a_fresh_installation(installation: Installation) -> None:
    status, output = await installation.command("check")
    assert (status, "All checks passed." in output) == (0, True), output
    status, output = await installation.command("doctor", "--json")
    findings = json.loads(output)
    assert status == 0, output
    assert {"paifang", "database", "redis", "mail", "channels"} <= {f["subject"] for f in findings}
    assert all(f["advice"] for f in findings if f["level"] in {"off", "warning", "error"})


async def test_a_token_is_made_listed_and_revoked(installation: Installation) -> None:
    arguments = ("gateway", "tokens", "create", "--group", "team", "--name", "a", "--quota", "1.5")
    status, output = await installation.command(*arguments, "--json")
    assert status == 0, output
    made = json.loads(output)
    assert made["key"].startswith("pf_live_")
    assert made["quota"] == "1.5"
    _, listed = await installation.command("gateway", "tokens", "list", "--json")
    (token,) = json.loads(listed)
    assert made["key"] not in listed
    status, output = await installation.command("gateway", "tokens", "revoke", token["id"])
    assert status == 0, output
    _, listed = await installation.command("gateway", "tokens", "list", "--json")
    assert json.loads(listed)[0]["state"] == "revoked"
    status, output = await installation.command(*arguments)
    assert status == 1
    assert "named 'a'" in output


async def test_a_channel_is_added_with_the_models_its_upstream_lists(
    installation: Installation,
) -> None:
    async with OpenAIDouble(models=("one", "two")) as double:
        add = ("gateway", "channels", "add", "--name", "double", "--base-url", double.url)
        status, output = await installation.command(
            *add, "--credential-stdin", stdin=b"sk-of-the-tests\n"
        )
        assert status == 0, output
        assert "one, two" in output
        status, output = await installation.command("gateway", "channels", "test", "double")
        assert status == 0, output
        assert double.requests[-1].headers["authorization"] == "Bearer sk-of-the-tests"
    status, output = await installation.command("gateway", "channels", "test", "double")
    assert status == 1
    assert "refuses connections" in output
    status, output = await installation.command("gateway", "channels", "list", "--json")
    assert "sk-of-the-tests" not in output
    (channel,) = json.loads(output)
    assert channel["models"] == ["one", "two"]
    status, output = await installation.command("gateway", "prices", "list", "--json")
    assert json.loads(output)["unpriced"] == ["one", "two"]
    price = ("gateway", "prices", "set", "one", "--input", "0.15", "--output", "0.6")
    status, output = await installation.command(*price)
    assert status == 0, output
    status, output = await installation.command("gateway", "prices", "list", "--json")
    assert json.loads(output)["prices"][0]["cached_input"] == "0.15"


async def test_a_channel_that_does_not_answer_is_not_half_added(
    installation: Installation,
) -> None:
    add = ("gateway", "channels", "add", "--name", "x", "--base-url", "http://127.0.0.1:9/v1")
    status, output = await installation.command(*add)
    assert status == 1
    assert "Nothing was added" in output
    _, listed = await installation.command("gateway", "channels", "list", "--json")
    assert json.loads(listed) == []


async def test_a_port_that_is_taken_is_named(installation: Installation) -> None:
    async with OpenAIDouble() as somebody:
        status, output = await installation.command("up", "--port", str(somebody.port))
    assert status == 1
    assert f"can't listen on 127.0.0.1:{somebody.port}" in output
    assert "--port" in output


async def test_the_openapi_document_is_printed(installation: Installation) -> None:
    status, output = await installation.command("openapi")
    assert status == 0
    assert "/api/v1/gateway/tokens" in json.loads(output)["paths"]


async def test_backup_and_restore_by_command(installation: Installation, tmp_path: Path) -> None:
    await installation.command("gateway", "groups", "create", "--id", "team")
    status, output = await installation.command("backup", "copy.tar.gz")
    assert status == 0, output
    other = Installation(tmp_path / "other")
    (tmp_path / "other").mkdir()
    status, output = await other.command("restore", str(tmp_path / "copy.tar.gz"))
    assert status == 0, output
    _, listed = await other.command("gateway", "groups", "list", "--json")
    assert [group["id"] for group in json.loads(listed)] == ["team"]


async def test_the_doctor_finds_a_channel_to_a_model_that_is_not_there(
    installation: Installation,
) -> None:
    add = ("gateway", "channels", "add", "--name", "ghost", "--provider", "local")
    status, output = await installation.command(
        *add, "--base-url", "local:nowhere", "--model", "nowhere"
    )
    assert status == 0, output
    _, output = await installation.command("doctor", "--json")
    (finding,) = [f for f in json.loads(output) if f["subject"] == "channel ghost"]
    assert finding["level"] == "warning"
    assert "no local model nowhere" in finding["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gateway", "groups", "list", "--page", "99999999999999999999"), "--page"),
        (("gateway", "tokens", "list", "--page", "0"), "--page"),
        (("openapi", "--output", "/nonexistent/x.json"), "/nonexistent/x.json"),
        (("backup", "/nonexistent/b.tar.gz"), "/nonexistent/b.tar.gz"),
        (("gateway", "tokens", "create", "--group", "g", "--name", ""), "printable"),
        (("gateway", "tokens", "revoke", "not-an-id"), "not-an-id"),
        (("gateway", "channels", "test", "nobody"), "no channel named nobody"),
    ],
)
async def test_what_cannot_be_done_is_told_without_a_traceback(
    installation: Installation, arguments: tuple[str, ...], words: str
) -> None:
    status, output = await installation.command(*arguments)
    assert status != 0
    assert words in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PAIFANG_REDIS_URL", "foo"),
        ("PAIFANG_JOBS_DB_URL", "mysql://x/y"),
        ("PAIFANG_LOG_DIR", "/proc/nowhere"),
        ("PAIFANG_METRICS_KEY", "with a space"),
        ("PAIFANG_TRUSTED_PROXIES", "abc"),
        ("PAIFANG_PUBLIC_URL", "abc"),
        ("PAIFANG_DRAIN_SECONDS", "inf"),
    ],
)
async def test_a_setting_that_cannot_be_right_ends_the_start_in_words(
    installation: Installation, variable: str, value: str
) -> None:
    installation.variables[variable] = value
    status, output = await installation.command("up", "--port", "0")
    assert status != 0
    assert variable in output
    assert "Traceback" not in output
