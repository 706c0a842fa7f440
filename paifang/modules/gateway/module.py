"""The manifest of ``gateway``."""

from paifang.core.module import Module
from paifang.modules.gateway.channels.router import router as channels_router
from paifang.modules.gateway.commands import gateway as gateway_commands
from paifang.modules.gateway.compat.router import routers as proxy_routers
from paifang.modules.gateway.findings import look
from paifang.modules.gateway.groups.router import router as groups_router
from paifang.modules.gateway.logs.jobs import prune_logs
from paifang.modules.gateway.logs.router import router as logs_router
from paifang.modules.gateway.permissions import GatewayPermission
from paifang.modules.gateway.prices.router import models_router
from paifang.modules.gateway.prices.router import router as prices_router
from paifang.modules.gateway.settings import GatewaySettings
from paifang.modules.gateway.start import relay_mount, start_gateway
from paifang.modules.gateway.tokens.router import router as tokens_router
from paifang.modules.gateway.welcome import LOCAL_OFFERED, WELCOMED

module = Module(
    name="gateway",
    routers=(
        groups_router,
        tokens_router,
        channels_router,
        prices_router,
        models_router,
        logs_router,
    ),
    root_routers=proxy_routers,
    permissions=GatewayPermission,
    jobs=(prune_logs.every("17 3 * * *"),),
    params=(WELCOMED, LOCAL_OFFERED),
    settings={"gateway": GatewaySettings},
    commands=(gateway_commands,),
    mounts={"/v1/": relay_mount},
    starts=(start_gateway,),
    checks=(look,),
)
