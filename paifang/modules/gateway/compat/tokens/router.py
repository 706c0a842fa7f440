"""``/api/tokens``, and ``/api/token`` for those of one group."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core.auth import Caller, Principal, require
from paifang.core.db.request import Db
from paifang.core.runtime import Runtime
from paifang.modules.gateway.compat.envelope import (
    TAG,
    Envelope,
    EnvelopeRoute,
    answer,
    body_of,
    reader,
    spoken,
)
from paifang.modules.gateway.compat.groups.service import check_group
from paifang.modules.gateway.compat.tokens import service as proxy
from paifang.modules.gateway.compat.tokens.schemas import (
    GroupTokenFilter,
    GroupTokenSearch,
    NameIn,
    ProxyToken,
    ProxyTokens,
    StatusIn,
    TokenFilter,
    TokenIn,
    TokenSearch,
)
from paifang.modules.gateway.compat.values import GroupId, Number, status_word
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.settings import GatewaySettings
from paifang.modules.gateway.tokens import service

router = APIRouter(tags=[TAG], route_class=EnvelopeRoute)
READ = require(GatewayPermission.AIPROXY_USE)
WRITE = require(GatewayPermission.AIPROXY_USE)

SentToken = Annotated[TokenIn, Depends(reader(TokenIn))]
SentStatus = Annotated[StatusIn, Depends(reader(StatusIn))]
SentName = Annotated[NameIn, Depends(reader(NameIn))]


@router.get("/api/tokens/", dependencies=[READ])
@router.get("/api/tokens", dependencies=[READ], include_in_schema=False)
async def list_tokens(
    session: Db, caller: Caller, wanted: Annotated[TokenFilter, Query()]
) -> Envelope[ProxyTokens]:
    """Tokens of all groups."""
    return answer(await _list(session, caller, TokenSearch(**dict(wanted))))


@router.get("/api/tokens/search", dependencies=[READ])
async def search_tokens(
    session: Db, caller: Caller, wanted: Annotated[TokenSearch, Query()]
) -> Envelope[ProxyTokens]:
    """Tokens of all groups by name, group or key."""
    return answer(await _list(session, caller, wanted))


@router.get("/api/tokens/{number}", dependencies=[READ])
async def get_token(session: Db, caller: Caller, number: Number) -> Envelope[ProxyToken]:
    """One token."""
    return answer(
        ProxyToken.of(await service.find_by_number(session, caller=caller, number=number))
    )


@router.put("/api/tokens/{number}", dependencies=[WRITE], openapi_extra=body_of(TokenIn))
async def update_token(
    sent: SentToken, session: Db, caller: Caller, number: Number
) -> Envelope[ProxyToken]:
    """Change what is sent, and nothing else."""
    return answer(await _update(session, caller, number, sent))


@router.delete("/api/tokens/{number}", dependencies=[WRITE])
async def delete_token(session: Db, caller: Caller, number: Number) -> Envelope[None]:
    """Delete a token; it stops working at once, and its logs stay."""
    await _delete(session, caller, number)
    return answer(None)


@router.post("/api/tokens/{number}/status", dependencies=[WRITE], openapi_extra=body_of(StatusIn))
async def set_token_status(
    sent: SentStatus, session: Db, caller: Caller, number: Number
) -> Envelope[None]:
    """Enable or disable a token."""
    await _set_status(session, caller, number, sent.status)
    return answer(None)


@router.post("/api/tokens/{number}/name", dependencies=[WRITE], openapi_extra=body_of(NameIn))
async def set_token_name(
    sent: SentName, session: Db, caller: Caller, number: Number
) -> Envelope[None]:
    """Rename a token."""
    await _update(session, caller, number, TokenIn(name=sent.name))
    return answer(None)


@router.get("/api/token/{group_id}", dependencies=[READ])
async def list_group_tokens(
    session: Db, caller: Caller, group_id: GroupId, wanted: Annotated[GroupTokenFilter, Query()]
) -> Envelope[ProxyTokens]:
    """Tokens of a group; none when there is no such group."""
    await check_group(session, caller, group_id)
    return answer(await _list(session, caller, TokenSearch(**dict(wanted), group=group_id)))


@router.post("/api/token/{group_id}", dependencies=[WRITE], openapi_extra=body_of(TokenIn))
async def create_token(
    *,
    request: Request,
    response: Response,
    sent: SentToken,
    session: Db,
    caller: Caller,
    group_id: GroupId,
    auto_create_group: Annotated[
        str, Query(description="`true`: make the group when there is none of that id.")
    ] = "",
) -> Envelope[ProxyToken]:
    """Make a token. Its key is in this answer alone."""
    runtime: Runtime = request.app.state.runtime
    values = proxy.new_values(sent)
    with spoken(proxy.NAMES):
        token, key = await service.create(
            session,
            actor=caller,
            group_id=group_id,
            auto_create_group=auto_create_group == "true",
            group_unpriced=runtime.settings.area(GatewaySettings).unpriced,
            **values,
        )
    response.headers["Cache-Control"] = "no-store"
    return answer(ProxyToken.of(token, key))


@router.get("/api/token/{group_id}/search", dependencies=[READ])
async def search_group_tokens(
    session: Db, caller: Caller, group_id: GroupId, wanted: Annotated[GroupTokenSearch, Query()]
) -> Envelope[ProxyTokens]:
    """Tokens of a group by name or key."""
    await check_group(session, caller, group_id)
    return answer(await _list(session, caller, TokenSearch(**dict(wanted), group=group_id)))


@router.get("/api/token/{group_id}/{number}", dependencies=[READ])
async def get_group_token(
    session: Db, caller: Caller, group_id: GroupId, number: Number
) -> Envelope[ProxyToken]:
    """One token of a group."""
    token = await service.find_by_number(session, caller=caller, number=number, group_id=group_id)
    return answer(ProxyToken.of(token))


@router.put("/api/token/{group_id}/{number}", dependencies=[WRITE], openapi_extra=body_of(TokenIn))
async def update_group_token(
    sent: SentToken, session: Db, caller: Caller, group_id: GroupId, number: Number
) -> Envelope[ProxyToken]:
    """Change what is sent, and nothing else."""
    return answer(await _update(session, caller, number, sent, group_id))


@router.delete("/api/token/{group_id}/{number}", dependencies=[WRITE])
async def delete_group_token(
    session: Db, caller: Caller, group_id: GroupId, number: Number
) -> Envelope[None]:
    """Delete a token of a group; it stops working at once, and its logs stay."""
    await _delete(session, caller, number, group_id)
    return answer(None)


@router.post(
    "/api/token/{group_id}/{number}/status",
    dependencies=[WRITE],
    openapi_extra=body_of(StatusIn),
)
async def set_group_token_status(
    sent: SentStatus, session: Db, caller: Caller, group_id: GroupId, number: Number
) -> Envelope[None]:
    """Enable or disable a token of a group."""
    await _set_status(session, caller, number, sent.status, group_id)
    return answer(None)


@router.post(
    "/api/token/{group_id}/{number}/name", dependencies=[WRITE], openapi_extra=body_of(NameIn)
)
async def set_group_token_name(
    sent: SentName, session: Db, caller: Caller, group_id: GroupId, number: Number
) -> Envelope[None]:
    """Rename a token of a group."""
    await _update(session, caller, number, TokenIn(name=sent.name), group_id)
    return answer(None)


async def _list(session: AsyncSession, caller: Principal, wanted: TokenSearch) -> ProxyTokens:
    rows, total = await proxy.find(
        session,
        caller=caller,
        paging=wanted,
        group=wanted.group,
        status=wanted.status,
        keyword=wanted.keyword,
        name=wanted.name,
        key=wanted.key,
    )
    return ProxyTokens(tokens=[ProxyToken.of(row) for row in rows], total=total)


async def _update(
    session: AsyncSession,
    caller: Principal,
    number: int,
    sent: TokenIn,
    group_id: str | None = None,
) -> ProxyToken:
    token = await service.find_by_number(session, caller=caller, number=number, group_id=group_id)
    values = proxy.changes(sent, token)
    with spoken(proxy.NAMES):
        token = await service.update(session, actor=caller, token_id=token.id, **values)
    return ProxyToken.of(token)


async def _set_status(
    session: AsyncSession,
    caller: Principal,
    number: int,
    status: int,
    group_id: str | None = None,
) -> None:
    word = status_word(status)
    token = await service.find_by_number(session, caller=caller, number=number, group_id=group_id)
    if word == "enabled":
        proxy.may_be_enabled(token)
    await service.update(session, actor=caller, token_id=token.id, status=word)


async def _delete(
    session: AsyncSession, caller: Principal, number: int, group_id: str | None = None
) -> None:
    token = await service.find_by_number(session, caller=caller, number=number, group_id=group_id)
    await service.delete(session, actor=caller, token_id=token.id)
