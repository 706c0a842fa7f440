"""The manifest of ``system``."""

from paifang.core.module import Module
from paifang.modules.system.permissions import SystemPermission

module = Module(
    name="system",
    routers=("paifang.modules.system.mail.router:router",),
    permissions=SystemPermission,
)
