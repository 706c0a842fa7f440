"""The API of prices, and of the models that are served with them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.core.pagination import Page, Paging, order_by
from paifang.modules.gateway.fields import Search
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.prices import offers, service
from paifang.modules.gateway.prices.models import Price
from paifang.modules.gateway.prices.schemas import (
    EndpointRead,
    PriceCreate,
    PriceRead,
    ServedModelRead,
)
from paifang.modules.gateway.settings import GatewaySettings

router = APIRouter(prefix="/gateway/prices", tags=["prices"])
models_router = APIRouter(prefix="/gateway/models", tags=["models"])
endpoint_router = APIRouter(prefix="/gateway/endpoint", tags=["models"])
READ = require(GatewayPermission.PRICES_READ)
WRITE = require(GatewayPermission.PRICES_WRITE)


@router.get("", dependencies=[READ])
async def list_prices(
    request: Request,
    session: Db,
    paging: Paging,
    model: Search | None = None,
    current: Annotated[bool, Query(description="Only those that hold now.")] = False,
) -> Page[PriceRead]:
    """Prices, the newest first; those of the past and of the future too."""
    found = await service.list_page(session, paging=paging, model=model, only_current=current)
    currency = _currency(request)
    return Page(
        items=[PriceRead.of(price, currency) for price in found.items],
        total=found.total,
        page=found.page,
        page_size=found.page_size,
    )


@router.post("", status_code=201, dependencies=[WRITE])
async def create_price(
    request: Request, session: Db, caller: Caller, body: PriceCreate
) -> PriceRead:
    """Set what a model costs from now or a later moment on."""
    price = await service.create(session, actor=caller, **dict(body))
    return PriceRead.of(price, _currency(request))


@router.get("/{price_id}", dependencies=[READ])
async def get_price(request: Request, session: Db, price_id: UUID) -> PriceRead:
    """One price."""
    return PriceRead.of(await service.get(session, price_id=price_id), _currency(request))


@router.delete("/{price_id}", status_code=204, dependencies=[WRITE])
async def delete_price(session: Db, caller: Caller, price_id: UUID) -> None:
    """Delete a price that has not begun; history is kept."""
    await service.delete(session, actor=caller, price_id=price_id)


@models_router.get("", dependencies=[READ])
async def list_models(
    request: Request,
    session: Db,
    caller: Caller,
    paging: Paging,
    search: Annotated[
        Search | None,
        Query(description="Part of the name."),
    ] = None,
) -> Page[ServedModelRead]:
    """The models that the caller's groups may call, by name, each with its price or marked
    unpriced; to whoever reads all prices, every model that is served.
    """
    currency = _currency(request)
    wanted = (search or "").lower()
    order_by(paging.sort, {"model": Price.model}, "model")  # refuses what it can't sort by
    found = [s for s in await offers.offered(session, caller=caller) if wanted in s.model.lower()]
    if paging.sort.startswith("-"):
        found.reverse()
    return Page(
        items=[
            ServedModelRead(
                model=served.model,
                unpriced=served.price is None,
                price=None if served.price is None else PriceRead.of(served.price, currency),
                channels=served.channels if caller.may(GatewayPermission.CHANNELS_READ) else [],
                free=served.free,
            )
            for served in found[paging.offset : paging.offset + paging.page_size]
        ],
        total=len(found),
        page=paging.page,
        page_size=paging.page_size,
    )


@endpoint_router.get("", dependencies=[READ])
async def get_endpoint(request: Request) -> EndpointRead:
    """Where models are called, for snippets."""
    base_url = request.app.state.runtime.base_url
    return EndpointRead(base_url=f"{base_url}/v1", currency=_currency(request))


def _currency(request: Request) -> str:
    currency: str = request.app.state.runtime.settings.area(GatewaySettings).currency
    return currency
