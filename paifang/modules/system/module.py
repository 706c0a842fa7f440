"""The manifest of ``system``."""

from paifang.core.module import Menu, MenuKind, Module
from paifang.modules.system.permissions import SystemPermission

module = Module(
    name="system",
    routers=("paifang.modules.system.mail.router:router",),
    permissions=SystemPermission,
    menu=(
        Menu("system", kind=MenuKind.DIRECTORY, icon="settings", sort=90),
        Menu(
            "system.inbox",
            path="/system/mail/inbox",
            icon="mail",
            needs=SystemPermission.INBOX_READ,
            parent="system",
            sort=10,
        ),
        Menu(
            "system.outgoing",
            path="/system/mail/outgoing",
            icon="out",
            needs=SystemPermission.MAIL_READ,
            parent="system",
            sort=20,
        ),
    ),
)
