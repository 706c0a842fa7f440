"""How what a person proves themselves with refuses."""

from collections.abc import Sequence

from paifang.core.errors import AppError, Conflict, Forbidden


class WrongProof(AppError):
    """What was shown does not prove who somebody is. Each such try is counted."""

    status = 400
    code = "wrong_proof"
    title = "This does not prove who you are"


class FactorWanted(Forbidden):
    """The person has a second factor, so the password alone is not enough; `factors` names them."""

    code = "factor_wanted"
    title = "Prove it with your second factor"

    def __init__(self, factors: Sequence[str]) -> None:
        super().__init__(
            f"Your account has a second factor. Use it: {', '.join(factors)}.",
            extensions={"factors": list(factors)},
        )


class LastWayIn(Conflict):
    """Without it nobody could sign in to the account any more."""

    code = "last_way_in"
    title = "It is the only way to sign in to this account"


class SecondFactorRequired(Conflict):
    """The rule of this installation asks this person for a second factor."""

    code = "second_factor_required"
    title = "Your account needs a second factor"


class SecondFactorMissing(Conflict):
    """No second factor is set up, and this needs one."""

    code = "second_factor_missing"
    title = "No second factor is set up"


class SecondFactorThere(Conflict):
    """A second factor is set up already: a sign-in that would set a first one up begins anew."""

    code = "second_factor_there"
    title = "A second factor is set up; sign in with it"
