"""The manifest of ``access``."""

from paifang.core.module import Module
from paifang.modules.access.administrator.authenticator import administrator_key

module = Module(name="access", authenticators=(administrator_key,))
