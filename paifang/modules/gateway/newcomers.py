"""What a new person may use. It is the owner's to set, and by default a stranger costs nothing."""

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.modules.accounts.newcomers import service as newcomers
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.channels.providers import LOCAL


class Allowance(NamedTuple):
    """What a group may call and spend, by the names of its columns."""

    models: list[str] | None
    quota: int | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None


async def for_newcomers(session: AsyncSession) -> Allowance:
    """The allowance of a personal group that is made now."""
    person = (await newcomers.get(session)).new_person
    models = person.models
    if models is not None and person.local_models:
        models = sorted({*models, *await _local_models(session)})
    return Allowance(
        models=models,
        quota=person.quota,
        rpm=person.rpm,
        tpm=person.tpm,
        concurrency=person.concurrency,
    )


async def _local_models(session: AsyncSession) -> set[str]:
    """Those that our own machines compute."""
    rows = await session.scalars(select(Channel.models).where(Channel.provider == LOCAL))
    return {model for models in rows for model in models}
