"""What the relay asks of those who run local models."""

from typing import Protocol

from paifang.modules.gateway.relay.snapshot import Channel

PROVIDER = "local"
"""A channel of this provider is a model that we run ourselves, as an HTTP server."""


class LocalModelError(Exception):
    """A local model can't take a call.

    The relay treats it like an upstream that is away: it tries the next channel, or answers 503.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        """What is wrong and what to do about it. It may hold paths: for logs and operators."""
        self.retry_after = retry_after
        """Seconds after which it is worth another try. None: not before somebody changes
        something."""


class LocalModels(Protocol):
    """Starts local models when they are called, and lets them rest when they are not."""

    async def acquire(self, channel: Channel) -> str:
        """The base URL of the running model, started first if need be.

        Raises :class:`LocalModelError`. Each call that got a URL is followed by
        :meth:`release`.
        """
        ...

    def credential(self, channel: Channel) -> str:
        """The bearer the running model asks for; asked after each :meth:`acquire`."""
        ...

    def release(self, channel: Channel) -> None:
        """A call that acquired the model is over."""
        ...
