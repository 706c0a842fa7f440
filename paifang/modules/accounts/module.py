"""The manifest of ``accounts``."""

from paifang.core.module import Module

module = Module(name="accounts")
