"""Why a process may not serve the gateway: what is in the way, where, and what to do."""

from paifang.core.errors import StartRefused

_TWICE = "each would count limits and quotas by itself, so that each limit would count twice"


class GatewayRefused(StartRefused):
    """Another gateway process is alive, and the two would not share their limits.

    Args:
        where: The place of that one.
        shares: Through what this process shares its limits; empty when they are its own.
        other_shares: The same of that one.
    """

    def __init__(self, where: str, *, shares: str, other_shares: str) -> None:
        if not shares and not other_shares:
            text = (
                f"Another gateway process serves this database already: {where}. Without Redis "
                f"{_TWICE}. Stop that one, or set PAIFANG_REDIS_URL for all of them."
            )
        elif not shares:
            text = (
                f"Another gateway process serves this database already: {where}. It shares its "
                f"limits through Redis and this one would not: {_TWICE}. Set PAIFANG_REDIS_URL "
                "here to the Redis of that one, or stop that one."
            )
        elif not other_shares:
            text = (
                f"A gateway process without Redis serves this database: {where}. Beside it "
                f"{_TWICE}. Stop that one, and start it again with PAIFANG_REDIS_URL."
            )
        else:
            text = (
                f"A gateway process with another Redis serves this database: {where}. Beside it "
                f"{_TWICE}. Set PAIFANG_REDIS_URL to the same Redis for all of them."
            )
        super().__init__(text)


class MigrationRefused(StartRefused):
    """A gateway process is alive, and would go on with the tables as they were.

    Args:
        where: Its place.
    """

    def __init__(self, where: str) -> None:
        super().__init__(
            f"A gateway process serves this database: {where}. It would go on with the tables as "
            "they were. Nothing was changed. Stop it and all other processes of this "
            "installation, then migrate, then start them in this version."
        )


class GatewayStopped(StartRefused):
    """The start was broken off while it waited for a sign of life of another process."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"Stopped before it was certain whether another gateway process is dead: {where}"
        )
