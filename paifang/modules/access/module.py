"""The manifest of ``access``."""

from paifang.core.module import Module

module = Module(
    name="access",
    authenticators=("paifang.modules.access.administrator.authenticator:administrator_key",),
)
