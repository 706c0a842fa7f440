"""``paifang gateway …``: managing the gateway from a shell.

They work on the database; a gateway that is running notices within half a second.
"""

import click

from paifang.modules.gateway.commands.channels import channels
from paifang.modules.gateway.commands.groups import groups
from paifang.modules.gateway.commands.prices import prices
from paifang.modules.gateway.commands.providers import providers
from paifang.modules.gateway.commands.tokens import tokens


@click.group()
def gateway() -> None:
    """Manage groups, tokens, channels and prices."""


for _group in (channels, groups, tokens, prices, providers):
    gateway.add_command(_group)
