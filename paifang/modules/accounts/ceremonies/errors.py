"""How ceremonies refuse."""

from paifang.core.errors import AppError, Conflict


class CeremonyOver(Conflict):
    """It was ended before, took too long, or never began."""

    code = "ceremony_over"
    title = "This took too long or was done before; begin again"


class TooManyCeremonies(AppError):
    """So many have begun from one address without an end."""

    status = 429
    code = "too_many_ceremonies"
    title = "Too many attempts were begun from this address"
