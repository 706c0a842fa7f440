"""The manifest of ``gateway``."""

from paifang.core.module import Command, Module
from paifang.modules.gateway.params import LOCAL_OFFERED, WELCOMED
from paifang.modules.gateway.permissions import GatewayPermission

module = Module(
    name="gateway",
    routers=(
        "paifang.modules.gateway.groups.router:router",
        "paifang.modules.gateway.tokens.router:router",
        "paifang.modules.gateway.channels.router:router",
        "paifang.modules.gateway.channels.router:providers_router",
        "paifang.modules.gateway.prices.router:router",
        "paifang.modules.gateway.prices.router:models_router",
        "paifang.modules.gateway.logs.router:router",
    ),
    root_routers=("paifang.modules.gateway.compat.router:routers",),
    permissions=GatewayPermission,
    jobs=("paifang.modules.gateway.logs.jobs:JOBS",),
    params=(WELCOMED, LOCAL_OFFERED),
    settings={"gateway": "paifang.modules.gateway.settings:GatewaySettings"},
    commands=(
        Command(
            "gateway",
            "Manage groups, tokens, channels and prices.",
            "paifang.modules.gateway.commands:gateway",
        ),
    ),
    mounts={"/v1/": "paifang.modules.gateway.start:relay_mount"},
    before_migration=("paifang.modules.gateway.processes.migration:look_first",),
    starts=("paifang.modules.gateway.start:start_gateway",),
    checks=("paifang.modules.gateway.findings:look",),
)
