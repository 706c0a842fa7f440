"""The manifest of ``accounts``."""

from paifang.core.module import Command, Menu, Module
from paifang.modules.accounts.factors.params import REQUIRE_SECOND_FACTOR
from paifang.modules.accounts.params import NEW_PEOPLE, REGISTRATION
from paifang.modules.accounts.permissions import AccountsPermission
from paifang.modules.accounts.recovery.events import EmailChangeAsked, ResetAsked
from paifang.modules.accounts.sign_up.events import MailAskedAgain, SignUpAsked

_HERE = "paifang.modules.accounts"

module = Module(
    name="accounts",
    routers=(
        f"{_HERE}.sign_up.router:router",
        f"{_HERE}.sign_in.router:router",
        f"{_HERE}.sign_in.router:programs",
        f"{_HERE}.entry.router:router",
        f"{_HERE}.challenges.router:router",
        f"{_HERE}.recovery.router:router",
        f"{_HERE}.profile.router:router",
        f"{_HERE}.profile.router:avatars",
        f"{_HERE}.recovery.router:own_router",
        f"{_HERE}.sessions.router:router",
        f"{_HERE}.people.router:router",
        f"{_HERE}.invitations.router:router",
        f"{_HERE}.newcomers.router:router",
        f"{_HERE}.factors.router:router",
        f"{_HERE}.factors.router:console",
        f"{_HERE}.reauthentication.router:router",
        f"{_HERE}.totp.router:account",
        f"{_HERE}.totp.router:sign_in",
        f"{_HERE}.recovery_codes.router:account",
        f"{_HERE}.recovery_codes.router:sign_in",
        f"{_HERE}.passkeys.router:account",
        f"{_HERE}.passkeys.router:auth",
        f"{_HERE}.identities.router:auth",
        f"{_HERE}.identities.router:account",
    ),
    permissions=AccountsPermission,
    member_permissions=(AccountsPermission.SELF,),
    scoped={"user": f"{_HERE}.users.models:User"},
    menu=(
        Menu(
            "accounts.users",
            path="/accounts/users",
            icon="user",
            needs=AccountsPermission.USERS_READ,
            parent="people",
            sort=10,
        ),
        Menu(
            "accounts.invitations",
            path="/accounts/invitations",
            icon="mail",
            needs=AccountsPermission.INVITATIONS_READ,
            parent="people",
            sort=12,
        ),
        Menu(
            "accounts.settings",
            path="/accounts/settings",
            icon="door",
            needs=AccountsPermission.SETTINGS_READ,
            parent="people",
            sort=14,
        ),
    ),
    jobs=(
        f"{_HERE}.jobs:JOBS",
        f"{_HERE}.ceremonies.jobs:JOBS",
        f"{_HERE}.sign_up.jobs:answer_sign_up",
        f"{_HERE}.sign_up.jobs:answer_again",
        f"{_HERE}.recovery.jobs:answer_reset",
        f"{_HERE}.recovery.jobs:answer_email_change",
    ),
    subscribers={
        SignUpAsked: (f"{_HERE}.sign_up.jobs:answer_sign_up",),
        MailAskedAgain: (f"{_HERE}.sign_up.jobs:answer_again",),
        ResetAsked: (f"{_HERE}.recovery.jobs:answer_reset",),
        EmailChangeAsked: (f"{_HERE}.recovery.jobs:answer_email_change",),
    },
    params=(REGISTRATION, NEW_PEOPLE, REQUIRE_SECOND_FACTOR),
    settings={
        "accounts": f"{_HERE}.settings:AccountsSettings",
        "oidc": f"{_HERE}.providers.settings:OidcSettings",
    },
    commands=(
        Command(
            "accounts",
            "Look after people: the set-up link, who there is, and letting them in again.",
            f"{_HERE}.commands:accounts",
        ),
    ),
    authenticators=(f"{_HERE}.entry.authenticator:signed_in",),
    starts=(f"{_HERE}.start:start_accounts",),
    personal_data={
        "account": f"{_HERE}.profile.service:account_data",
        "sessions": f"{_HERE}.profile.service:session_data",
        "factors": f"{_HERE}.factors.service:factor_data",
        "trail": f"{_HERE}.profile.service:trail_data",
    },
    checks=(f"{_HERE}.findings:look",),
)
