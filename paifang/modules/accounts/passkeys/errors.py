"""How passkeys refuse."""

from paifang.core.errors import Conflict, NotFound
from paifang.modules.accounts.factors.errors import WrongProof


class PasskeysUnavailable(Conflict):
    """Browsers offer no passkeys at this address; the detail says what is needed."""

    code = "passkeys_unavailable"
    title = "Passkeys don't work at this address"


class PasskeyRefused(WrongProof):
    """What the browser sent does not prove that the person holds the passkey."""

    code = "passkey_refused"
    title = "The passkey was not accepted"


class PasskeyExists(Conflict):
    """That passkey is known already."""

    code = "passkey_exists"
    title = "This passkey is set up already"


class PasskeyNotFound(NotFound):
    """The person has no such passkey."""

    code = "passkey_not_found"
    title = "There is no such passkey"


class TooManyPasskeys(Conflict):
    """A person has as many as are allowed."""

    code = "too_many_passkeys"
    title = "There are as many passkeys as an account may have"
