"""Types of options that several commands share."""

from typing import Any

import click

from paifang.modules.gateway.channels.providers import PROVIDERS, check_provider
from paifang.modules.gateway.money import money_nanos


class _Money(click.ParamType[int]):
    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Nanos from decimal text."""
        if isinstance(value, int):
            return value
        try:
            return money_nanos(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Provider(click.Choice[str]):
    """A choice, so that shells complete it; too many to name them all in a usage line."""

    name = "provider"

    def __init__(self) -> None:
        super().__init__(list(PROVIDERS))

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """One word for all of them."""
        del param, ctx
        return "PROVIDER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id of a provider."""
        try:
            return check_provider(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


PROVIDER = _Provider()
"""The id of a provider; a wrong one is told which it may have been meant for."""

MONEY = _Money()
"""An amount of the metering currency, written like ``0.15``; nanos in Python."""
