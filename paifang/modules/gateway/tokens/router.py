"""The API of tokens."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.hot import HotDb, hot_page
from paifang.core.pagination import Page, Paging
from paifang.modules.gateway.fields import Mine, Search
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.tokens import reading, service
from paifang.modules.gateway.tokens.models import Token
from paifang.modules.gateway.tokens.schemas import (
    State,
    TokenCreate,
    TokenCreated,
    TokenRead,
    TokenUpdate,
)

router = APIRouter(prefix="/gateway/tokens", tags=["tokens"])
READ = require(GatewayPermission.TOKENS_READ)
WRITE = require(GatewayPermission.TOKENS_WRITE)


@router.get("", dependencies=[READ], response_model=Page[TokenRead])
async def list_tokens(
    *,
    on: HotDb,
    caller: Caller,
    paging: Paging,
    group_id: Search | None = None,
    status: Literal["enabled", "disabled", "revoked"] | None = None,
    state: Annotated[State | None, Query(description="As it is at this moment.")] = None,
    search: Annotated[
        Search | None,
        Query(description="Part of the name or of the key's first characters, or its last four."),
    ] = None,
    user_id: UUID | None = None,
    mine: Mine = False,
) -> Any:
    """The tokens that the caller sees, the newest first: all of the groups they manage, their own
    in others.
    """
    found = await reading.list_page(
        on,
        caller=caller.only_mine(mine),
        paging=paging,
        group_id=group_id,
        status=status,
        state=state,
        search=search,
        user_id=user_id,
    )
    return hot_page(found, TokenRead)


@router.post("", status_code=201, dependencies=[WRITE])
async def create_token(
    session: Db, caller: Caller, body: TokenCreate, response: Response
) -> TokenCreated:
    """Make a token. The answer holds its key, which is never shown again."""
    token, key = await service.create(session, actor=caller, **dict(body))
    return await _with_key(session, token, key, response)


@router.get("/{token_id}", dependencies=[READ])
async def get_token(session: Db, caller: Caller, token_id: UUID) -> TokenRead:
    """One token."""
    return await _read(session, await service.get(session, caller=caller, token_id=token_id))


@router.patch("/{token_id}", dependencies=[WRITE])
async def update_token(session: Db, caller: Caller, token_id: UUID, body: TokenUpdate) -> TokenRead:
    """Change what is sent, and nothing else."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    token = await service.update(session, actor=caller, token_id=token_id, **changes)
    return await _read(session, token)


@router.post("/{token_id}/revoke", dependencies=[WRITE])
async def revoke_token(session: Db, caller: Caller, token_id: UUID) -> TokenRead:
    """End a token for ever, at once. Twice is once."""
    token = await service.revoke(session, actor=caller, token_id=token_id)
    return await _read(session, token)


@router.post("/{token_id}/take-over", dependencies=[WRITE])
async def take_over_token(session: Db, caller: Caller, token_id: UUID) -> TokenRead:
    """Answer for a token as an owner of its group; one that stopped because its person left works
    again. Its key stays the same.
    """
    token = await service.take_over(session, actor=caller, token_id=token_id)
    return await _read(session, token)


@router.post("/{token_id}/rotate", dependencies=[WRITE])
async def rotate_token(
    session: Db, caller: Caller, token_id: UUID, response: Response
) -> TokenCreated:
    """Give a token a new key, shown in this answer alone; the old one stops at once."""
    token, key = await service.rotate(session, actor=caller, token_id=token_id)
    return await _with_key(session, token, key, response)


@router.delete("/{token_id}", status_code=204, dependencies=[WRITE])
async def delete_token(session: Db, caller: Caller, token_id: UUID) -> None:
    """Delete a token; its logs stay."""
    await service.delete(session, actor=caller, token_id=token_id)


async def _read(session: AsyncSession, token: Token) -> TokenRead:
    return TokenRead(**await reading.read(session, token))


async def _with_key(
    session: AsyncSession, token: Token, key: str, response: Response
) -> TokenCreated:
    response.headers["Cache-Control"] = "no-store"
    return TokenCreated(**await reading.read(session, token), key=key)
