"""How authenticator apps' codes refuse."""

from paifang.core.errors import Conflict, NotFound
from paifang.modules.accounts.factors.errors import WrongProof


class TotpExists(Conflict):
    """There is a confirmed app already."""

    code = "totp_exists"
    title = "An authenticator app is set up already"


class TotpNotBegun(Conflict):
    """No secret was asked for that a code could confirm."""

    code = "totp_not_begun"
    title = "Ask for a secret first"


class TotpNotFound(NotFound):
    """No app is set up."""

    code = "totp_not_found"
    title = "No authenticator app is set up"


class WrongCode(WrongProof):
    """The code is wrong, was used before, or is of another time."""

    code = "wrong_code"
    title = "The code is not right"
