"""How prices refuse."""

from paifang.core.errors import Conflict, NotFound


class PriceNotFound(NotFound):
    """No price has that id."""

    code = "price_not_found"
    title = "There is no such price"


class PriceExists(Conflict):
    """A model has one price from a moment on."""

    code = "price_exists"
    title = "The model has a price from that moment on"


class PriceInForce(Conflict):
    """History is kept: only a price of the future may be deleted."""

    code = "price_in_force"
    title = "The price is or was in force, so it is kept; make a new price instead"
