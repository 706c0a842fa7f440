"""Types of options that several commands share."""

from typing import Any

import click

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


MONEY = _Money()
"""An amount of the metering currency, written like ``0.15``; nanos in Python."""

PAGE = click.IntRange(1, 1_000_000)
"""A page of a list, from 1."""
