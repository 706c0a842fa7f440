"""How channels refuse."""

from paifang.core.errors import AppError, Conflict, NotFound, Unavailable


class ChannelNotFound(NotFound):
    """No channel has that id or number."""

    code = "channel_not_found"
    title = "There is no such channel"


class ChannelNameTaken(Conflict):
    """Names of channels are unique."""

    code = "channel_name_taken"
    title = "A channel of that name exists"


class UpstreamFailed(AppError):
    """The upstream gave no usable answer; the detail says what to do about it."""

    status = 502
    code = "upstream_failed"
    title = "The upstream gave no usable answer"


class ModelsNotListed(Conflict):
    """The provider does not list its models, so they can't be asked for."""

    code = "models_not_listed"
    title = "This provider does not list its models"


class LocalModelsAway(Unavailable):
    """This process runs no local models."""

    code = "local_models_away"
    title = "Local models run only inside `paifang up`"


class CredentialUnreadable(Conflict):
    """A stored credential can't be decrypted with the present keys."""

    code = "credential_unreadable"
    title = "A stored credential can't be decrypted"
