"""Parameters: values an administrator changes while Paifang runs, declared by the modules."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from paifang.core.db.base import Base, utc_now
from paifang.core.module import Param


class ParamValue(Base):
    """A parameter that was changed from its default."""

    __tablename__ = "params"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)


async def get(session: AsyncSession, *, param: Param) -> Any:
    """The current value: the stored one, else the default."""
    row = await session.get(ParamValue, param.name)
    return param.default if row is None else row.value


async def put(session: AsyncSession, *, param: Param, value: Any) -> None:
    """Store a value.

    Raises:
        ValueError: the value is of another type than the default.
    """
    if type(value) is not type(param.default):
        raise ValueError(f"{param.name} must be of type {type(param.default).__name__}")
    row = await session.get(ParamValue, param.name)
    if row is None:
        session.add(ParamValue(name=param.name, value=value))
    else:
        row.value = value
