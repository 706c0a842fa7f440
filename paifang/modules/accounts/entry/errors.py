"""How coming in refuses, for who has shown that the account is theirs."""

from paifang.core.errors import Forbidden


class AccountDisabled(Forbidden):
    """An administrator has disabled the account; only its own person is told."""

    code = "account_disabled"
    title = "This account is disabled; ask an administrator"


class AwaitingApproval(Forbidden):
    """An administrator has not approved the account yet; a mail will tell when."""

    code = "awaiting_approval"
    title = "An administrator has to approve this account first"
