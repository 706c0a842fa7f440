"""What a new person may use. It is the owner's to set, and by default a stranger costs nothing."""

from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import params
from paifang.core.module import Param
from paifang.modules.gateway.channels.models import Channel
from paifang.modules.gateway.channels.providers import LOCAL

NEW_PEOPLE: Param = Param("accounts.new_people", default={})


class Allowance(NamedTuple):
    """What a group may call and spend, by the names of its columns."""

    models: list[str] | None
    quota: int | None
    rpm: int | None
    tpm: int | None
    concurrency: int | None


async def for_newcomers(session: AsyncSession) -> Allowance:
    """The allowance of a personal group that is made now."""
    stored: dict[str, Any] = await params.get(session, param=NEW_PEOPLE)
    models = stored.get("models", [])
    if models is not None and stored.get("local_models", True):
        models = sorted({*models, *await _local_models(session)})
    return Allowance(
        models=models,
        quota=stored.get("quota", 0),
        rpm=stored.get("rpm"),
        tpm=stored.get("tpm"),
        concurrency=stored.get("concurrency"),
    )


async def _local_models(session: AsyncSession) -> set[str]:
    """Those that our own machines compute."""
    rows = await session.scalars(select(Channel.models).where(Channel.provider == LOCAL))
    return {model for models in rows for model in models}
