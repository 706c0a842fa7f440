"""The models that channels serve, by AI Proxy's types of channel, and their prices."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.compat.channels.types import TYPES, number_of
from paifang.modules.gateway.compat.served.schemas import ProxyPrice
from paifang.modules.gateway.prices.models import Price


async def by_type(session: AsyncSession, *, only_enabled: bool) -> dict[int, list[str]]:
    """Models by the type of the channels that serve them. With ``only_enabled``, of enabled
    channels and types that have any; else of all channels, and each type is there.
    """
    statement = select(Channel)
    if only_enabled:
        statement = statement.where(Channel.status == "enabled")
    found: dict[int, set[str]] = {} if only_enabled else {number: set() for number in TYPES}
    for channel in await session.scalars(statement):
        if channel.models:
            found.setdefault(number_of(channel), set()).update(channel.models)
    return {number: sorted(found[number]) for number in sorted(found)}


def shown(models: Iterable[str], current: Mapping[str, Price]) -> dict[str, ProxyPrice]:
    """Prices of models; those without one are marked."""
    return {model: ProxyPrice.of(current.get(model)) for model in models}
