"""The gateway of :mod:`doubles.watched_gateway` that waits for its clients but shortly.

The waits are no settings: nobody needs others than these, but for a test that waits them out.
"""

import functools
import runpy

from doubles.gateway_process import Gateway
from paifang import protocol, server
from paifang.modules.gateway import start

HEAD_SECONDS = 1.0
BODY_SECONDS = 1.0
IDLE_SECONDS = 2.0
WRITE_SECONDS = 2.0


class HastyGateway(Gateway):
    """It, in a process of its own."""

    program = "doubles.hasty_gateway"


def main() -> None:
    """Shorten the waits and run it."""
    protocol.HEAD_SECONDS = HEAD_SECONDS
    server.WRITE_TIMEOUT = WRITE_SECONDS
    start.RelaySettings = functools.partial(  # type: ignore[assignment, misc]  # its constructor
        start.RelaySettings, body_timeout=BODY_SECONDS
    )
    configure = server.configure

    @functools.wraps(configure)
    def hasty(*args: object, **options: object) -> object:
        config = configure(*args, **options)  # type: ignore[arg-type]  # as they come
        config.timeout_keep_alive = IDLE_SECONDS  # type: ignore[assignment]  # any number does
        return config

    server.configure = hasty  # type: ignore[assignment]  # as above
    runpy.run_module("doubles.watched_gateway", run_name="__main__")


if __name__ == "__main__":
    main()
