"""How a local model can refuse: the relay's own class, so that it can catch it."""

from paifang.modules.gateway.relay.local import LocalModelError

__all__ = ["LocalModelError"]
