"""``/api/models``."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from paifang.core.auth import require
from paifang.core.db.request import Db
from paifang.modules.gateway.compat.channels.types import known
from paifang.modules.gateway.compat.envelope import TAG, Envelope, EnvelopeRoute, answer
from paifang.modules.gateway.compat.served import service as proxy
from paifang.modules.gateway.compat.served.schemas import ProxyPrice
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.prices import service as prices

router = APIRouter(tags=[TAG], route_class=EnvelopeRoute)
CHANNELS = require(GatewayPermission.AIPROXY_USE)
PRICES = require(GatewayPermission.AIPROXY_USE)

TypeNumber = Annotated[int, Path(description="The number of the kind of upstream.")]


@router.get("/api/models", dependencies=[CHANNELS])
async def list_models(session: Db) -> Envelope[dict[int, list[str]]]:
    """Models of all channels, by their type."""
    return answer(await proxy.by_type(session, only_enabled=False))


@router.get("/api/models/price", dependencies=[PRICES])
async def list_prices(session: Db) -> Envelope[dict[str, ProxyPrice]]:
    """The prices that hold now."""
    current = await prices.current_prices(session)
    return answer(proxy.shown(sorted(current), current))


@router.get("/api/models/enabled", dependencies=[PRICES])
async def list_enabled_models(session: Db) -> Envelope[list[str]]:
    """The models that enabled channels serve."""
    return answer([served.model for served in await prices.served_models(session)])


@router.get("/api/models/enabled/price", dependencies=[PRICES])
async def list_enabled_prices(session: Db) -> Envelope[dict[str, ProxyPrice]]:
    """The models that enabled channels serve, with their prices."""
    served = await prices.served_models(session)
    return answer({one.model: ProxyPrice.of(one.price) for one in served})


@router.get("/api/models/enabled/channel", dependencies=[CHANNELS])
async def list_enabled_by_type(session: Db) -> Envelope[dict[int, list[str]]]:
    """The models that enabled channels serve, by the channels' type."""
    return answer(await proxy.by_type(session, only_enabled=True))


@router.get("/api/models/enabled/channel/price", dependencies=[PRICES])
async def list_enabled_prices_by_type(
    session: Db,
) -> Envelope[dict[int, dict[str, ProxyPrice]]]:
    """The same with prices."""
    found = await proxy.by_type(session, only_enabled=True)
    current = await prices.current_prices(session)
    return answer({number: proxy.shown(models, current) for number, models in found.items()})


# Defaults of a type fill a channel that names no models. Here a channel says what it serves.


@router.get("/api/models/enabled/default", dependencies=[CHANNELS])
async def list_default_models() -> Envelope[dict[int, list[str]]]:
    """Models that a channel of a type has by default: none."""
    return answer({})


@router.get("/api/models/enabled/default/{number}", dependencies=[CHANNELS])
async def list_default_models_of(number: TypeNumber) -> Envelope[list[str]]:
    """Models that a channel of this type has by default: none."""
    known(number)
    return answer([])


@router.get("/api/models/enabled/mapping/default", dependencies=[CHANNELS])
async def list_default_mappings() -> Envelope[dict[int, dict[str, str]]]:
    """Model mappings that a channel of a type has by default: none."""
    return answer({})


@router.get("/api/models/enabled/mapping/default/{number}", dependencies=[CHANNELS])
async def get_default_mapping_of(number: TypeNumber) -> Envelope[dict[str, str]]:
    """The model mapping that a channel of this type has by default: none."""
    known(number)
    return answer({})


@router.get("/api/models/enabled/all/default", dependencies=[CHANNELS])
async def list_defaults() -> Envelope[dict[str, dict[str, Any]]]:
    """Both kinds of defaults: none."""
    return answer({"models": {}, "mapping": {}})


@router.get("/api/models/enabled/all/default/{number}", dependencies=[CHANNELS])
async def list_defaults_of(number: TypeNumber) -> Envelope[dict[str, Any]]:
    """Both kinds of defaults of this type: none."""
    known(number)
    return answer({"models": [], "mapping": {}})
