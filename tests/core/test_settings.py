"""Settings: where they come from, and what happens to those that can't be right."""

import re
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from paifang.core.settings import ALIASES, Secret, SettingsError, load, setting, variables
from paifang.modules.gateway.settings import GatewaySettings
from paifang.registry import settings_areas

AREAS = settings_areas()


def test_everything_has_a_default(tmp_path: Path) -> None:
    settings = load(AREAS, environ={}, folder=tmp_path)
    assert settings.env == "development"
    assert settings.base_url == "http://localhost:8000"
    assert settings.db.pool_size == 10


def test_a_variable_is_named_after_its_place(tmp_path: Path) -> None:
    settings = load(
        AREAS,
        environ={"PAIFANG_DB_POOL_SIZE": "3", "PAIFANG_GATEWAY_LOCAL_IDLE_SECONDS": "5"},
        folder=tmp_path,
    )
    assert settings.db.pool_size == 3
    assert settings.area(GatewaySettings).local.idle_seconds == 5


def test_the_process_beats_the_file_of_the_environment_which_beats_the_shared_one(
    tmp_path: Path,
) -> None:
    (tmp_path / ".env").write_text("PAIFANG_PORT=1001\nPAIFANG_HOST=a.example\nPAIFANG_ENV=test\n")
    (tmp_path / ".env.test").write_text("PAIFANG_PORT=1002\nPAIFANG_HOME=from-file\nOTHER=1\n")
    settings = load(AREAS, environ={"PAIFANG_HOME": "from-process"}, folder=tmp_path)
    assert (settings.env, settings.port, settings.host) == ("test", 1002, "a.example")
    assert settings.home == Path("from-process")
    overridden = load(AREAS, environ={}, folder=tmp_path, overrides={"PAIFANG_PORT": "1003"})
    assert overridden.port == 1003


def test_an_unknown_variable_is_an_error_that_names_the_nearest_right_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"PAIFANG_DB_POOLSIZE.*did you mean PAIFANG_DB_POOL_S"):
        load(AREAS, environ={"PAIFANG_DB_POOLSIZE": "3"}, folder=tmp_path)


def test_an_unknown_variable_in_a_file_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PAIFANG_GATEWAY_CURENCY=EUR\n")
    with pytest.raises(SettingsError, match="did you mean PAIFANG_GATEWAY_CURRENCY"):
        load(AREAS, environ={}, folder=tmp_path)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    environ = {"PAIFANG_PORT": "high", "PAIFANG_DB_POOL_SIZE": "0", "PAIFANG_WHAT": "1"}
    with pytest.raises(SettingsError) as raised:
        load(AREAS, environ=environ, folder=tmp_path)
    for name in environ:
        assert name in str(raised.value)


def test_a_wrong_secret_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load(AREAS, environ={"PAIFANG_DB_POOL_SIZE": "hunter2"}, folder=tmp_path)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("alias", ALIASES)
def test_the_names_of_an_ai_proxy_deployment_are_accepted(alias: str, tmp_path: Path) -> None:
    name = ALIASES[alias]
    value = "sqlite:///x.db" if "DB" in name else "redis://localhost:6379/0"
    by_alias = load(AREAS, environ={alias: value}, folder=tmp_path)
    assert by_alias == load(AREAS, environ={name: value}, folder=tmp_path)
    both = load(AREAS, environ={alias: "sqlite:///other.db", name: value}, folder=tmp_path)
    assert both == by_alias, "our own name is the stronger one"


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    assert load(AREAS, environ={"PAIFANG_PORT": ""}, folder=tmp_path).port == 8000


def test_secrets_do_not_show(tmp_path: Path) -> None:
    settings = load(AREAS, environ={"PAIFANG_ADMIN_KEY": "open sesame"}, folder=tmp_path)
    assert "sesame" not in repr(settings)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://localhost:8000"),
        ("::", "http://localhost:8000"),
        ("127.0.0.1", "http://localhost:8000"),
        ("192.168.1.5", "http://192.168.1.5:8000"),
        ("2001:db8::1", "http://[2001:db8::1]:8000"),
        ("example.org", "http://example.org:8000"),
    ],
)
def test_the_printed_address_can_be_visited(host: str, url: str, tmp_path: Path) -> None:
    assert load(AREAS, environ={"PAIFANG_HOST": host}, folder=tmp_path).base_url == url


def test_each_setting_says_what_it_means() -> None:
    silent = [
        name
        for name, field in variables(type(load(AREAS, environ={}, folder=Path("/nonexistent"))))
        if not field.description
    ]
    assert silent == []


def test_what_kubernetes_says_of_a_service_of_our_name_is_not_taken_for_settings(
    tmp_path: Path,
) -> None:
    environ = {
        "PAIFANG_PORT": "tcp://10.0.0.7:8000",
        "PAIFANG_SERVICE_HOST": "10.0.0.7",
        "PAIFANG_SERVICE_PORT_HTTP": "8000",
        "PAIFANG_PORT_8000_TCP_ADDR": "10.0.0.7",
    }
    assert load(AREAS, environ=environ, folder=tmp_path).port == 8000


@pytest.mark.parametrize(
    ("kind", "rules", "texts"),
    [
        (int, {"ge": 1, "le": 500}, ["1", " 7 ", "+7", "500", "0", "501", "-1", "x", "1.5", "0x1"]),
        (float, {"gt": 0}, ["1", "1e3", " .5 ", "0", "-1", "nan", "inf", "-Infinity", "x", "1,5"]),
        (float, {"gt": 0, "le": 1}, ["1", "1.5", "0.0"]),
        (float, {"ge": 0.5, "lt": 2}, ["0.4", "0.5", "2"]),
        (bool, {}, ["1", "on", "T", "TRUE", "y", "Yes", "0", "Off", "f", "false", "n", "no", "ja"]),
        (str, {"pattern": "^[A-Z]{3}$"}, ["EUR", "eur", "EURO", " EUR", "EUR\n"]),
        (Literal["DEBUG", "INFO", "ERROR"], {}, ["INFO", "info", "x"]),
        (Path, {}, ["a/b", "/"]),
        (Path | None, {}, ["a/b"]),
    ],
)
def test_values_are_read_and_refused_as_pydantic_does_it_for_the_api(
    kind: Any, rules: dict[str, Any], texts: list[str]
) -> None:
    field: Any = setting(None, "A setting.", **rules)
    ours = field.metadata["setting"]
    model = create_model("Model", __base__=Strict, value=(kind, Field(**rules)))
    for text in texts:
        try:
            expected = model(value=text).value  # type: ignore[attr-defined]  # made just now
        except ValidationError as error:
            with pytest.raises(ValueError, match=re.escape(error.errors()[0]["msg"])):
                ours.read(kind, text)
        else:
            assert ours.read(kind, text) == expected, text


class Strict(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


def test_a_secret_is_compared_and_never_shown() -> None:
    secret = Secret("open sesame")
    assert (secret, hash(secret)) == (Secret("open sesame"), hash(Secret("open sesame")))
    assert secret != Secret("open")
    assert secret != "open sesame"
    assert f"{secret} {secret!r} {[secret]}" == (
        "********** Secret('**********') [Secret('**********')]"
    )
    assert (str(Secret("")), secret.get_secret_value()) == ("", "open sesame")
