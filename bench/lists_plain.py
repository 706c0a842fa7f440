"""The same list as one writes it with FastAPI and SQLAlchemy's ORM, by their own tutorials.

A session per request, the rows as objects, a count for the pages, a response model. It shows what
Paifang's list shows, to the same person, and asks as many tables; it has no log, no request id, no
limits, and takes any parameter in the URL.
"""

import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import uvicorn
from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, DateTime, String, Uuid, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

URL, PERSON, PORT = sys.argv[1], UUID(sys.argv[2]), int(sys.argv[3])
engine = create_async_engine(URL, pool_size=10)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """The tables."""


class User(Base):
    """A person."""

    __tablename__ = "users"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    display_name: Mapped[str]


class Member(Base):
    """Who is in which group."""

    __tablename__ = "group_members"
    group_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    role: Mapped[str]


class Token(Base):
    """A token."""

    __tablename__ = "tokens"
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    number: Mapped[int]
    group_id: Mapped[str]
    name: Mapped[str]
    prefix: Mapped[str]
    last_four: Mapped[str]
    status: Mapped[str]
    models: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    networks: Mapped[list[str]] = mapped_column(JSON)
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    quota: Mapped[int | None]
    used: Mapped[int]
    requests: Mapped[int]
    rpm: Mapped[int | None]
    tpm: Mapped[int | None]
    concurrency: Mapped[int | None]
    created_by: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    stopped_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class TokenRead(BaseModel):
    """A token as it is shown."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    number: int
    group_id: str
    name: str
    prefix: str
    last_four: str
    status: str
    models: list[str] | None
    networks: list[str]
    expires_at: datetime | None
    quota: int | None
    used: int
    requests: int
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    created_by: str
    user_id: UUID | None
    user_name: str | None = None
    stopped_at: datetime | None
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class Page(BaseModel):
    """A page."""

    items: list[TokenRead]
    total: int
    page: int
    page_size: int


async def session() -> AsyncIterator[AsyncSession]:
    """A session per request."""
    async with sessions() as opened:
        yield opened


app = FastAPI()


@app.get("/tokens", response_model=Page)
async def list_tokens(
    db: Annotated[AsyncSession, Depends(session)],
    page: Annotated[int, Query(ge=1)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Any:
    """A page of the tokens that the person may see."""
    managed = select(Member.group_id).where(
        Member.user_id == PERSON, Member.role.in_(("owner", "manager"))
    )
    mine = select(Member.group_id).where(Member.user_id == PERSON)
    seen = or_(Token.group_id.in_(managed), and_(Token.user_id == PERSON, Token.group_id.in_(mine)))
    total = await db.scalar(select(func.count()).select_from(Token).where(seen))
    return await shown(db, seen, total or 0, page, page_size)


@app.get("/narrow", response_model=Page)
async def list_narrow(
    db: Annotated[AsyncSession, Depends(session)],
    page: Annotated[int, Query(ge=1)] = 1,
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Any:
    """The same with Paifang's SQL: the groups are found first, and no more than 10,001 counted.
    What is left of the difference is what the compiled select and its answer are worth.
    """
    groups = await db.scalars(
        select(Member.group_id).where(
            Member.user_id == PERSON, Member.role.in_(("owner", "manager"))
        )
    )
    seen = Token.group_id.in_(groups.all())
    counted = select(Token.number).where(seen).limit(10_001).subquery()
    total = await db.scalar(select(func.count()).select_from(counted))
    return await shown(db, seen, total or 0, page, page_size)


async def shown(db: AsyncSession, seen: Any, total: int, page: int, page_size: int) -> Any:
    """The page itself."""
    rows = await db.scalars(
        select(Token)
        .where(seen)
        .order_by(Token.number.desc())
        .limit(page_size)
        .offset((page - 1) * page_size)
    )
    tokens = rows.all()
    people = await db.execute(
        select(User.id, User.display_name).where(User.id.in_({t.user_id for t in tokens}))
    )
    names = dict(iter(people))
    items = [TokenRead.model_validate(token) for token in tokens]
    for item in items:
        item.user_name = names.get(item.user_id) if item.user_id else None
    return {"items": items, "total": total, "page": page, "page_size": page_size}


if __name__ == "__main__":
    uvicorn.run(app, port=PORT, log_level="warning", access_log=False)
