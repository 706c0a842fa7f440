"""The manifest of ``accounts``."""

from paifang.core.module import Module

module = Module(
    name="accounts",
    scoped={"user": "paifang.modules.accounts.users.models:User"},
)
