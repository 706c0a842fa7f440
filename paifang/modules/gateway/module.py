"""The manifest of ``gateway``."""

from paifang.core.module import Command, Menu, MenuKind, Module
from paifang.modules.accounts.sign_up.events import UserJoined
from paifang.modules.accounts.users.events import UserDeleted
from paifang.modules.gateway.params import (
    LOCAL_OFFERED,
    MEMBERS_PER_TEAM,
    TEAMS_PER_PERSON,
    TOKENS_PER_PERSON,
    WELCOMED,
)
from paifang.modules.gateway.permissions import MEMBER_PERMISSIONS, GatewayPermission


def _page(name: str, icon: str, needs: GatewayPermission, sort: int) -> Menu:
    """A page of the console below ``/gateway``."""
    return Menu(
        f"gateway.{name}",
        path=f"/gateway/{name}",
        icon=icon,
        needs=needs,
        parent="gateway",
        sort=sort,
    )


module = Module(
    name="gateway",
    routers=(
        "paifang.modules.gateway.groups.router:router",
        "paifang.modules.gateway.teams.router:router",
        "paifang.modules.gateway.teams.router:members_router",
        "paifang.modules.gateway.teams.router:invitations_router",
        "paifang.modules.gateway.tokens.router:router",
        # Before the channels' own, whose {channel_id} would else take "health".
        "paifang.modules.gateway.usage.router:router",
        "paifang.modules.gateway.channels.router:router",
        "paifang.modules.gateway.channels.router:providers_router",
        "paifang.modules.gateway.prices.router:router",
        "paifang.modules.gateway.prices.router:models_router",
        "paifang.modules.gateway.prices.router:endpoint_router",
        "paifang.modules.gateway.logs.router:router",
    ),
    root_routers=("paifang.modules.gateway.compat.router:routers",),
    permissions=GatewayPermission,
    member_permissions=MEMBER_PERMISSIONS,
    menu=(
        Menu("gateway", kind=MenuKind.DIRECTORY, icon="gate", sort=10),
        _page("overview", "chart", GatewayPermission.USAGE_READ, 10),
        _page("groups", "people", GatewayPermission.GROUPS_READ, 20),
        _page("tokens", "key", GatewayPermission.TOKENS_READ, 30),
        _page("channels", "upstream", GatewayPermission.CHANNELS_READ, 40),
        _page("models", "price", GatewayPermission.PRICES_READ, 50),
        _page("logs", "list", GatewayPermission.LOGS_READ, 60),
    ),
    jobs=(
        "paifang.modules.gateway.logs.jobs:JOBS",
        "paifang.modules.gateway.usage.jobs:JOBS",
        "paifang.modules.gateway.teams.jobs:forget_person",
        "paifang.modules.gateway.teams.jobs:join_groups",
    ),
    subscribers={
        UserDeleted: ("paifang.modules.gateway.teams.jobs:forget_person",),
        UserJoined: ("paifang.modules.gateway.teams.jobs:join_groups",),
    },
    personal_data={"gateway": "paifang.modules.gateway.teams.leaving:personal_data"},
    scoped={
        "group": "paifang.modules.gateway.groups.models:Group",
        "token": "paifang.modules.gateway.tokens.models:Token",
        "log": "paifang.modules.gateway.logs.models:Log",
        "usage": "paifang.modules.gateway.usage.models:UsageHour",
    },
    params=(WELCOMED, LOCAL_OFFERED, TOKENS_PER_PERSON, TEAMS_PER_PERSON, MEMBERS_PER_TEAM),
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
