"""How signing up refuses."""

from paifang.core.errors import Conflict, Forbidden


class RegistrationClosed(Forbidden):
    """Only who is invited may sign up here."""

    code = "registration_closed"
    title = "Here one signs up by invitation"


class SetUpAlready(Conflict):
    """There is an administrator, so the set-up link makes no other."""

    code = "set_up_already"
    title = "Paifang is set up already; ask an administrator for an invitation"
