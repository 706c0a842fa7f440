"""The API of tokens."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.pagination import Page, Paging
from paifang.modules.gateway.fields import Search
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.tokens import service
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


@router.get("", dependencies=[READ])
async def list_tokens(
    *,
    session: Db,
    paging: Paging,
    group_id: Search | None = None,
    status: Literal["enabled", "disabled", "revoked"] | None = None,
    state: Annotated[State | None, Query(description="As it is at this moment.")] = None,
    search: Annotated[
        Search | None,
        Query(description="Part of the name or of the key's first characters, or its last four."),
    ] = None,
) -> Page[TokenRead]:
    """Tokens of all groups, the newest first."""
    found = await service.list_page(
        session, paging=paging, group_id=group_id, status=status, state=state, search=search
    )
    return Page(
        items=[TokenRead.model_validate(token) for token in found.items],
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )


@router.post("", status_code=201, dependencies=[WRITE])
async def create_token(
    session: Db, caller: Caller, body: TokenCreate, response: Response
) -> TokenCreated:
    """Make a token. The answer holds its key, which is never shown again."""
    token, key = await service.create(session, actor=caller, **dict(body))
    return _with_key(token, key, response)


@router.get("/{token_id}", dependencies=[READ])
async def get_token(session: Db, token_id: UUID) -> TokenRead:
    """One token."""
    return TokenRead.model_validate(await service.get(session, token_id=token_id))


@router.patch("/{token_id}", dependencies=[WRITE])
async def update_token(session: Db, caller: Caller, token_id: UUID, body: TokenUpdate) -> TokenRead:
    """Change what is sent, and nothing else."""
    changes = {field: getattr(body, field) for field in body.model_fields_set}
    token = await service.update(session, actor=caller, token_id=token_id, **changes)
    return TokenRead.model_validate(token)


@router.post("/{token_id}/revoke", dependencies=[WRITE])
async def revoke_token(session: Db, caller: Caller, token_id: UUID) -> TokenRead:
    """End a token for ever, at once. Twice is once."""
    return TokenRead.model_validate(await service.revoke(session, actor=caller, token_id=token_id))


@router.post("/{token_id}/rotate", dependencies=[WRITE])
async def rotate_token(
    session: Db, caller: Caller, token_id: UUID, response: Response
) -> TokenCreated:
    """Give a token a new key, shown in this answer alone; the old one stops at once."""
    token, key = await service.rotate(session, actor=caller, token_id=token_id)
    return _with_key(token, key, response)


@router.delete("/{token_id}", status_code=204, dependencies=[WRITE])
async def delete_token(session: Db, caller: Caller, token_id: UUID) -> None:
    """Delete a token; its logs stay."""
    await service.delete(session, actor=caller, token_id=token_id)


def _with_key(token: Token, key: str, response: Response) -> TokenCreated:
    response.headers["Cache-Control"] = "no-store"
    return TokenCreated(**dict(TokenRead.model_validate(token)), key=key)
