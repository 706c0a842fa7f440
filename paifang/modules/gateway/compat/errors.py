"""How this API refuses beyond what the services do."""

from paifang.core.errors import AppError, Conflict

MAX_BODY = 1024 * 1024
"""Bytes of a request body."""


class BodyTooLarge(AppError):
    """The request body is larger than :data:`MAX_BODY`."""

    status = 413
    code = "body_too_large"
    title = f"The body has more than {MAX_BODY} bytes"


class NotOffered(AppError):
    """That service does this, Paifang does not; the detail says what to use instead."""

    code = "not_offered"
    title = "Paifang does not do this"


class TokenSpent(Conflict):
    """Enabling a token would not make it work."""

    code = "token_spent"
    title = "The token is expired or exhausted"


class ChannelNotTested(Conflict):
    """A channel can't be tested from here; that says nothing about the upstream."""

    code = "channel_not_tested"
    title = "The channel can't be tested from here"
