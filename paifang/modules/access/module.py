"""The manifest of ``access``."""

from paifang.core.module import Menu, MenuKind, Module
from paifang.modules.access.params import MEMBER_OFFERED
from paifang.modules.access.permissions import AccessPermission

_PLACE = "paifang.modules.access"
_PEOPLE = "people"

module = Module(
    name="access",
    routers=(
        f"{_PLACE}.roles.router:permissions_router",
        f"{_PLACE}.roles.router:router",
        f"{_PLACE}.departments.router:router",
        f"{_PLACE}.positions.router:router",
        f"{_PLACE}.menus.router:router",
        f"{_PLACE}.explain.router:router",
    ),
    permissions=AccessPermission,
    member_permissions=(AccessPermission.SELF,),
    scoped={"department": f"{_PLACE}.departments.models:Department"},
    menu=(
        Menu(_PEOPLE, kind=MenuKind.DIRECTORY, icon="users", sort=50),
        Menu(
            "access.roles",
            path="/access/roles",
            icon="shield",
            needs=AccessPermission.ROLES_READ,
            parent=_PEOPLE,
            sort=20,
        ),
        Menu(
            "access.departments",
            path="/access/departments",
            icon="tree",
            needs=AccessPermission.DEPARTMENTS_READ,
            parent=_PEOPLE,
            sort=30,
        ),
        Menu(
            "access.positions",
            path="/access/positions",
            icon="badge",
            needs=AccessPermission.POSITIONS_READ,
            parent=_PEOPLE,
            sort=40,
        ),
        Menu(
            "access.menus",
            path="/access/menus",
            icon="menu",
            needs=AccessPermission.MENUS_READ,
            parent=_PEOPLE,
            sort=50,
        ),
        Menu(
            "access.explain",
            path="/access/explain",
            icon="question",
            needs=AccessPermission.EXPLAIN_READ,
            parent=_PEOPLE,
            sort=60,
        ),
    ),
    authenticators=(f"{_PLACE}.administrator.authenticator:administrator_key",),
    params=(MEMBER_OFFERED,),
    starts=(f"{_PLACE}.start:start_access",),
)
