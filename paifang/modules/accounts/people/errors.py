"""How the console refuses about people."""

from paifang.core.errors import Conflict


class NotAwaiting(Conflict):
    """Only who has confirmed their address and waits can be approved."""

    code = "not_awaiting"
    title = "This account does not wait for approval"


class NotYourself(Conflict):
    """Shutting oneself out is for somebody else to do."""

    code = "not_yourself"
    title = "This can't be done to your own account here"
