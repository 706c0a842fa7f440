"""The pages of docs/reference are current, and describe everything they list."""

import json

import click
import pytest

from docs.markdown import ROOT
from paifang.core.settings import settings_class, variables
from paifang.registry import settings_areas
from scripts import write_docs
from scripts.reference import commands_page, errors_page


@pytest.mark.parametrize("name", write_docs.PAGES)
def test_each_page_is_what_the_code_writes_now(name: str) -> None:
    assert write_docs.is_current(name), "run: python -m scripts.write_docs"


def test_each_setting_has_a_description_that_ends_as_a_sentence() -> None:
    settings = dict(variables(settings_class(settings_areas())))
    assert settings, "there are settings"
    undocumented = [
        name for name, field in settings.items() if not (field.description or "").endswith(".")
    ]
    assert undocumented == []


def test_each_setting_is_in_the_page_once() -> None:
    page = write_docs.PAGES["settings.md"]()
    for name, _field in variables(settings_class(settings_areas())):
        assert page.count(f"\n| `{name}` |") == 1, name


def test_each_command_and_each_option_says_what_it_is_for() -> None:
    silent = []
    for path, command, context in commands_page.walk(commands_page.main, "paifang"):
        if not command.help:
            silent.append(path)
        silent += [
            f"{path} {option.opts[0]}"
            for option in command.get_params(context)
            if isinstance(option, click.Option) and not option.help
        ]
    assert silent == []


def test_each_class_of_refusal_has_a_code_a_title_and_its_place_in_the_page() -> None:
    page = write_docs.PAGES["errors.md"]()
    errors = errors_page.app_errors()
    assert len(errors) > 20, "all modules were looked at"
    for error in errors:
        assert f"| {error.status} | `{error.code}` |" in page, error.__name__
        assert error.title, error.__name__
        assert not error.title.endswith("."), error.__name__


def test_two_refusals_never_share_a_code_by_accident() -> None:
    owners: dict[str, type] = {}
    for error in errors_page.app_errors():
        if "code" in vars(error):
            other = owners.setdefault(error.code, error)
            assert other is error, f"{other.__name__} and {error.__name__}: {error.code}"


FOR_PROGRAMS = {"bad_file_key", "challenge_required", "method_not_allowed", "not_offered"}
"""What no page shows: a page solves a challenge, and calls neither storage nor AI Proxy's API."""
TEXTS = ROOT / "frontend" / "src" / "i18n" / "locales"


@pytest.mark.parametrize("language", ["en", "zh-CN", "zh-TW"])
def test_each_refusal_is_told_in_the_readers_language(language: str) -> None:
    known = json.loads((TEXTS / f"{language}.json").read_text())["ui"]["errors"]
    # Of what is not there, and of our own faults, the pages say the same whatever it is.
    codes = {e.code for e in errors_page.app_errors() if e.status not in {404, 500}}
    assert codes - FOR_PROGRAMS - known.keys() == set()


def test_a_code_of_the_relay_without_a_text_stops_the_page() -> None:
    codes = errors_page.relay_codes()
    assert codes["invalid_api_key"] == {"401"}
    assert codes["upstream_timeout"] == {"504"}
    with pytest.raises(ValueError, match=r"no text .* for new_code"):
        errors_page.check_complete([*codes, "new_code"])
    with pytest.raises(ValueError, match="the relay has no error invalid_api_key"):
        errors_page.check_complete(codes.keys() - {"invalid_api_key"})
