"""How sign-in by another service refuses."""

from paifang.core.errors import AppError, Conflict, NotFound


class ProviderNotFound(NotFound):
    """No such service is set up for signing in."""

    code = "provider_not_found"
    title = "There is no such way to sign in"


class ProviderUnavailable(AppError):
    """The other service does not answer, or not as it should."""

    status = 503
    code = "provider_unavailable"
    title = "The other service does not answer as it should"


class IdentityRefused(AppError):
    """What came back from the other service is not to be believed, or is a refusal."""

    status = 400
    code = "identity_refused"
    title = "The other service did not confirm who you are"


class IdentityNotLinked(Conflict):
    """There is an account with the mail address, and it is not linked to that service."""

    code = "identity_not_linked"
    title = "An account with this mail address exists, and is not linked"


class IdentityWithoutEmail(Conflict):
    """The other service tells no mail address that it has verified, which a new account needs."""

    code = "identity_without_email"
    title = "The other service tells no verified mail address"


class IdentityTaken(Conflict):
    """The account at the other service is linked to an account here already."""

    code = "identity_taken"
    title = "That account is linked already"


class IdentityNotFound(NotFound):
    """The person has no such link."""

    code = "identity_not_found"
    title = "No such account is linked"
