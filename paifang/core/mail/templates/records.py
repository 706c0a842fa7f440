"""One record per template: what its text has to know."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar


class Template(StrEnum):
    """The mails Paifang writes."""

    VERIFY_EMAIL = "verify_email"
    ACCOUNT_EXISTS = "account_exists"
    RESET_PASSWORD = "reset_password"  # noqa: S105  # a name
    EMAIL_CHANGE_CONFIRM = "email_change_confirm"
    EMAIL_CHANGE_NOTICE = "email_change_notice"
    NEW_SIGN_IN = "new_sign_in"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a name
    FACTOR_CHANGED = "factor_changed"
    INVITATION = "invitation"
    GROUP_INVITATION = "group_invitation"
    APPROVAL_NEEDED = "approval_needed"
    APPROVED = "approved"
    TRIAL = "trial"


class FactorChange(StrEnum):
    """What became of a second factor, or of another way to sign in."""

    TOTP_ADDED = "totp_added"
    TOTP_REMOVED = "totp_removed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    RECOVERY_CODE_USED = "recovery_code_used"
    IDENTITY_LINKED = "identity_linked"
    IDENTITY_UNLINKED = "identity_unlinked"
    FACTORS_RESET = "factors_reset"


class GroupRole(StrEnum):
    """What somebody is to be in a group."""

    OWNER = "owner"
    MANAGER = "manager"
    MEMBER = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What every template has to know."""

    template: ClassVar[Template]
    stranger: ClassVar[bool] = False
    """Whether somebody else than its recipient can make us send it. Those are counted."""

    link: str
    """Where its button leads, an absolute URL."""
    site: str = ""
    """What people call this place. Empty: the host of the link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked(Values):
    """Who did it: what they used, where from and when. What is not known is left out."""

    device: str = ""
    """``Firefox on Windows``."""
    address: str = ""
    """The network address, or a place."""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyEmail(_Asked):
    """Somebody wants an account with this address. The link confirms it."""

    template = Template.VERIFY_EMAIL
    stranger = True
    valid: timedelta
    """How long the link holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountExists(_Asked):
    """Somebody wants an account with an address that has one. The link signs in."""

    template = Template.ACCOUNT_EXISTS
    stranger = True
    reset_link: str
    """Where one asks for a new password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPassword(_Asked):
    """Somebody has forgotten the password. The link sets a new one."""

    template = Template.RESET_PASSWORD
    stranger = True
    valid: timedelta
    """How long the link holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChangeConfirm(_Asked):
    """To the new address of somebody who has an account. The link confirms it."""

    template = Template.EMAIL_CHANGE_CONFIRM
    stranger = True
    valid: timedelta
    """How long the link holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailChangeNotice(_Asked):
    """To the old address. The link takes the change back."""

    template = Template.EMAIL_CHANGE_NOTICE
    new_email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSignIn(_Asked):
    """Somebody signed in from where nobody did before. The link leads to the sessions."""

    template = Template.NEW_SIGN_IN


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(_Asked):
    """The password was changed. The link asks for another one."""

    template = Template.PASSWORD_CHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorChanged(_Asked):
    """A second factor was added, removed or used up. The link leads to the security page."""

    template = Template.FACTOR_CHANGED
    change: FactorChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation(Values):
    """Somebody may sign up. The link does."""

    template = Template.INVITATION
    inviter: str
    """The name of who invites."""
    valid: timedelta
    """How long the link holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupInvitation(Values):
    """Somebody may join a group. The link does."""

    template = Template.GROUP_INVITATION
    stranger = True
    inviter: str
    """The name of who invites."""
    group: str
    """The group's name."""
    role: GroupRole
    valid: timedelta
    """How long the link holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalNeeded(Values):
    """To an administrator: somebody waits to be let in. The link leads to the list."""

    template = Template.APPROVAL_NEEDED
    stranger = True
    applicant: str
    """The address of who waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved(Values):
    """Somebody was let in. The link signs in."""

    template = Template.APPROVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(Values):
    """What ``paifang doctor mail --to`` sends."""

    template = Template.TRIAL
    way: str
    """Which way out it takes."""


RECORDS: Mapping[Template, type[Values]] = {
    record.template: record
    for record in (
        VerifyEmail,
        AccountExists,
        ResetPassword,
        EmailChangeConfirm,
        EmailChangeNotice,
        NewSignIn,
        PasswordChanged,
        FactorChanged,
        Invitation,
        GroupInvitation,
        ApprovalNeeded,
        Approved,
        Trial,
    )
}
"""The record of each template."""
