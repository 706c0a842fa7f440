"""The texts in English."""

from datetime import timedelta

from paifang.core.mail.templates.records import FactorChange, GroupRole, Template
from paifang.core.mail.templates.texts.text import Language, Text, parts


def _duration(duration: timedelta) -> str:
    count, unit = parts(duration)
    return f"{count} {unit}{'' if count == 1 else 's'}"


_TEXTS = {
    Template.VERIFY_EMAIL: Text(
        subject="Confirm your address for {site}",
        preheader="The link works once, for {valid}.",
        title="Confirm your address",
        lines=(
            "Somebody, most likely you, asked for an account at {site} with the address {to}.",
            "The link works once, for {valid}.",
        ),
        button="Confirm the address",
        not_you=("If you did not ask for this, do nothing: without the link no account is made.",),
    ),
    Template.ACCOUNT_EXISTS: Text(
        subject="You have an account at {site}",
        preheader="Somebody tried to sign up with your address.",
        title="You have an account already",
        lines=(
            (
                "Somebody, most likely you, tried to sign up at {site} with the address {to}. "
                "There is an account with this address, so no second one was made."
            ),
            (
                "You can sign in with it. If you have forgotten the password, set a new one here: "
                "{reset_link}"
            ),
        ),
        button="Sign in",
        not_you=("If you did not do this, do nothing: your account is as it was.",),
    ),
    Template.RESET_PASSWORD: Text(
        subject="Set a new password for {site}",
        preheader="The link works once, for {valid}.",
        title="Set a new password",
        lines=(
            "Somebody, most likely you, asked for a new password for your account {to} at {site}.",
            "The link works once, for {valid}.",
        ),
        button="Set a new password",
        not_you=(
            (
                "If you did not ask for this, do nothing: your password stays as it is. Give the "
                "link to nobody; whoever has it can take over your account."
            ),
        ),
    ),
    Template.EMAIL_CHANGE_CONFIRM: Text(
        subject="Confirm your new address for {site}",
        preheader="The link works once, for {valid}.",
        title="Confirm your new address",
        lines=(
            (
                "Somebody who has an account at {site}, most likely you, wants to use the "
                "address {to} for it from now on."
            ),
            "The link works once, for {valid}. Until then the old address stays.",
        ),
        button="Confirm the new address",
        not_you=("If you did not ask for this, do nothing: your address is not used.",),
    ),
    Template.EMAIL_CHANGE_NOTICE: Text(
        subject="The address of your account at {site} is changing",
        preheader="From {to} to {new_email}.",
        title="Your address is changing",
        lines=(
            (
                "Your account at {site} is to use the address {new_email} instead of {to}, as "
                "soon as the new one is confirmed."
            ),
        ),
        button="Keep the old address",
        not_you=(
            (
                "If you did not ask for this, somebody else may be signed in as you. The button "
                "keeps {to}, ends all sessions and sends you a link to set another password."
            ),
        ),
    ),
    Template.NEW_SIGN_IN: Text(
        subject="A new sign-in to {site}",
        preheader="From a device that was not used with your account before.",
        title="A new sign-in",
        lines=(
            (
                "Somebody, most likely you, signed in to your account {to} at {site} from a device "
                "that was not used with it before."
            ),
        ),
        button="Look at my sessions",
        not_you=("If it was not you, end that session and change your password at once.",),
    ),
    Template.PASSWORD_CHANGED: Text(
        subject="Your password for {site} was changed",
        preheader="If it was you, there is nothing to do.",
        title="Your password was changed",
        lines=(
            (
                "The password of your account {to} at {site} was changed. If it was you, there is "
                "nothing to do."
            ),
        ),
        button="Set another password",
        not_you=(
            (
                "If it was not you, set another password at once; that ends every session of the "
                "account."
            ),
        ),
    ),
    Template.FACTOR_CHANGED: Text(
        subject="How you sign in to {site} has changed",
        preheader="{change}",
        title="How you sign in has changed",
        lines=(
            "{change}",
            "This is about your account {to} at {site}. If it was you, there is nothing to do.",
        ),
        button="Look at my security settings",
        not_you=(
            "If it was not you, change your password at once and look at your second factors.",
        ),
    ),
    Template.INVITATION: Text(
        subject="An invitation to {site}",
        preheader="The link works once, for {valid}.",
        title="You are invited",
        lines=(
            "{inviter} invites you to make an account at {site} with the address {to}.",
            "The link works once, for {valid}.",
        ),
        button="Accept the invitation",
        not_you=("If you know nothing of this, do nothing: no account is made.",),
    ),
    Template.GROUP_INVITATION: Text(
        subject="An invitation to a group at {site}",
        preheader="{inviter} invites you to join {group}.",
        title="You are invited to a group",
        lines=(
            "{inviter} invites you to join the group {group} at {site}, as {role}.",
            "The link works once, for {valid}.",
        ),
        button="Look at the invitation",
        not_you=("If you know nothing of this, do nothing: you join no group by it.",),
    ),
    Template.APPROVAL_NEEDED: Text(
        subject="Somebody waits to be let in to {site}",
        preheader="{applicant} has confirmed the address.",
        title="Somebody waits to be let in",
        lines=(
            (
                "{applicant} asked for an account at {site} and has confirmed the address. The "
                "account can't be used before an administrator lets it in."
            ),
        ),
        button="Look at who waits",
        not_you=("You get this mail because you may let people in at {site}.",),
    ),
    Template.APPROVED: Text(
        subject="You can use {site} now",
        preheader="An administrator has let you in.",
        title="You are in",
        lines=("An administrator has let you in: your account {to} at {site} can be used now.",),
        button="Sign in",
        not_you=(
            "If you never asked for an account, do nothing, or tell the people who run {site}.",
        ),
    ),
    Template.TRIAL: Text(
        subject="A test mail from {site}",
        preheader="It has arrived by {way}.",
        title="Mail works",
        lines=("This is a test of the mails that {site} sends. It has arrived by {way}.",),
        button="Open {site}",
        not_you=("It was sent by the command paifang doctor mail. There is nothing to do.",),
    ),
}

ENGLISH = Language(
    tag="en",
    fonts="",
    texts=_TEXTS,
    device="Device",
    address="From",
    at="Time",
    copy_link="If the button does not work, copy this address into your browser:",
    footer="Sent by {site} to {to}.",
    changes={
        FactorChange.TOTP_ADDED: "An authenticator app was added.",
        FactorChange.TOTP_REMOVED: "The authenticator app was removed.",
        FactorChange.PASSKEY_ADDED: "A passkey was added.",
        FactorChange.PASSKEY_REMOVED: "A passkey was removed.",
        FactorChange.RECOVERY_CODES_MADE: "New recovery codes were made; the old ones are void.",
        FactorChange.RECOVERY_CODE_USED: "A recovery code was used to sign in.",
        FactorChange.IDENTITY_LINKED: "An account at another service was linked; it signs in here.",
        FactorChange.IDENTITY_UNLINKED: "An account at another service was unlinked.",
        FactorChange.FACTORS_RESET: "An administrator removed all your second factors.",
    },
    roles={
        GroupRole.OWNER: "an owner",
        GroupRole.MANAGER: "a manager",
        GroupRole.MEMBER: "a member",
    },
    duration=_duration,
)
