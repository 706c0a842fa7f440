"""The manifest of ``accounts``."""

from paifang.core.module import Module
from paifang.modules.accounts.params import NEW_PEOPLE, REGISTRATION
from paifang.modules.accounts.permissions import AccountsPermission

module = Module(
    name="accounts",
    routers=(
        "paifang.modules.accounts.entry.router:router",
        "paifang.modules.accounts.sign_in.router:router",
        "paifang.modules.accounts.sign_in.router:programs",
        "paifang.modules.accounts.challenges.router:router",
        "paifang.modules.accounts.sessions.router:router",
    ),
    permissions=AccountsPermission,
    member_permissions=(AccountsPermission.SELF,),
    params=(REGISTRATION, NEW_PEOPLE),
    settings={"accounts": "paifang.modules.accounts.settings:AccountsSettings"},
    authenticators=("paifang.modules.accounts.entry.authenticator:signed_in",),
    starts=("paifang.modules.accounts.start:start_accounts",),
    checks=("paifang.modules.accounts.findings:look",),
)
