"""How recovery codes refuse."""

from paifang.modules.accounts.factors.errors import WrongProof


class WrongRecoveryCode(WrongProof):
    """The code is none of the person's, or was used."""

    code = "wrong_recovery_code"
    title = "The recovery code is not right, or was used"
