"""How positions refuse."""

from paifang.core.errors import Conflict, NotFound


class PositionNotFound(NotFound):
    """No position has that id."""

    code = "position_not_found"
    title = "There is no such position"


class PositionCodeTaken(Conflict):
    """Codes of positions are unique."""

    code = "position_code_taken"
    title = "A position of that code exists"


class PositionInUse(Conflict):
    """It is deleted when nobody has it."""

    code = "position_in_use"
    title = "Somebody has this position"
