"""The manifests: what they name by its place is there, and is what it is named as."""

from collections.abc import Awaitable, Iterator
from enum import StrEnum
from typing import Any

import click
import pytest
from fastapi import APIRouter

from paifang.cli import COMMANDS, main
from paifang.core.db import Base
from paifang.core.jobs import Job
from paifang.core.module import Command, Module, load
from paifang.core.scope import is_scoped
from paifang.core.settings import Section
from paifang.registry import MODULES, import_models, settings_areas

KINDS: dict[str, Any] = {
    "routers": APIRouter,
    "root_routers": APIRouter,
    "jobs": Job,
    "commands": Command,
}
"""Fields whose parts are things; those of the others are functions."""
FUNCTIONS = ("authenticators", "starts", "checks")


def named(module: Module) -> Iterator[str]:
    """Every place that a manifest names."""
    many = (*KINDS, *FUNCTIONS)
    parts = [part for field in many for part in getattr(module, field)]
    parts += [*module.mounts.values(), *module.settings.values(), *module.scoped.values()]
    parts += [job for jobs in module.subscribers.values() for job in jobs]
    for part in parts:
        place = part.place if isinstance(part, Command) else part
        if isinstance(place, str):
            yield place


every = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


@every
def test_each_part_is_what_its_field_takes(module: Module) -> None:
    for field, kind in KINDS.items():
        assert all(isinstance(part, kind) for part in load(getattr(module, field))), field
    for field in FUNCTIONS:
        assert all(callable(part) for part in load(getattr(module, field))), field
    assert all(callable(mount) for mount in load(module.mounts.values()))
    assert all(issubclass(area, Section) for area in load(module.settings.values()))
    assert all(is_scoped(model) for model in load(module.scoped.values()))
    assert module.permissions is None or issubclass(module.permissions, StrEnum)


@every
def test_a_module_names_its_own_parts_alone(module: Module) -> None:
    places = list(named(module))
    assert places, "something is given by its place"
    package = f"paifang.modules.{module.name}."
    assert [place for place in places if not place.startswith(package)] == []


def test_every_scoped_model_is_in_a_manifest() -> None:
    """Else "explain access" and the walk over all routes would not know of it."""
    import_models()
    listed = {model for module in MODULES for model in load(module.scoped.values())}
    mapped = {mapper.class_ for mapper in Base.registry.mappers}
    assert {model for model in mapped if is_scoped(model)} == listed


def test_a_part_may_be_given_itself_or_by_its_place_and_a_place_may_hold_several() -> None:
    place = "paifang.modules.gateway.logs.jobs"
    [job] = load([f"{place}:JOBS"])
    assert load([job, f"{place}:prune_logs"]) == (job, *load([f"{place}:prune_logs"]))
    assert job.cron == "17 3 * * *"
    with pytest.raises(AttributeError, match="nothing"):
        load([f"{place}:nothing"])


def test_the_areas_of_settings_are_those_of_the_manifests() -> None:
    areas = settings_areas()
    assert list(areas) == [name for module in MODULES for name in module.settings]
    assert all(issubclass(area, Section) for area in areas.values())


COMMAND_LIST = [*COMMANDS, *(command for module in MODULES for command in module.commands)]


@pytest.mark.parametrize("listed", COMMAND_LIST, ids=lambda command: command.name)
def test_a_command_is_listed_as_it_describes_itself(listed: Command) -> None:
    context = click.Context(main)
    command = main.get_command(context, listed.name)
    assert command is not None
    assert command.name == listed.name
    assert (command.help or "").split("\n\n")[0].replace("\n", " ") == listed.help
    assert main.list_commands(context) == [each.name for each in COMMAND_LIST]


async def _never(_runtime: Any) -> Awaitable[Any]:
    raise AssertionError("it is not called")


def test_a_manifest_takes_the_parts_themselves_too() -> None:
    router = APIRouter()
    module = Module(name="plain", routers=(router,), starts=(_never,), mounts={"/x/": _never})
    assert load(module.routers) == (router,)
    assert load(module.starts) == load(module.mounts.values()) == (_never,)
