"""How signing in refuses."""

from paifang.core.errors import Forbidden, Unauthenticated


class WrongCredentials(Unauthenticated):
    """The address and the password don't go together, or there is no such person."""

    code = "wrong_credentials"
    title = "The address or the password is not right"


class FactorRequired(Forbidden):
    """The account has a second factor, which this way in can't ask for."""

    code = "factor_required"
    title = "This account has a second factor: sign in on the page"
