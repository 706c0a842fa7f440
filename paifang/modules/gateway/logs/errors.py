"""How logs refuse."""

from paifang.core.errors import Invalid, NotFound, Unavailable


class LogNotFound(NotFound):
    """No call of that request id was logged, or its log is deleted."""

    code = "log_not_found"
    title = "There is no such log"


class TooManyWatchers(Unavailable):
    """Live views of the logs are bounded, so that they never weigh on what they show."""

    code = "too_many_watchers"
    title = "Too many live views are open"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "10"})


class TimeTooLong(Invalid):
    """A statement over years of calls would keep others waiting."""

    code = "time_too_long"
    title = "The time between from and to is too long"
