"""How logs refuse."""

from paifang.core.errors import NotFound


class LogNotFound(NotFound):
    """No call of that request id was logged, or its log is deleted."""

    code = "log_not_found"
    title = "There is no such log"
