"""How tokens refuse."""

from paifang.core.errors import Conflict, Forbidden, NotFound


class TokenNotFound(NotFound):
    """No token has that id or number."""

    code = "token_not_found"
    title = "There is no such token"


class GroupNotFound(NotFound):
    """No group has that id. It is here because groups stand on tokens, never the reverse."""

    code = "group_not_found"
    title = "There is no such group"


class TokenNameTaken(Conflict):
    """Names of tokens are unique in their group."""

    code = "token_name_taken"
    title = "A token of that name exists in this group"


class TokenRevoked(Conflict):
    """A revoked token stays as it is."""

    code = "token_revoked"
    title = "The token is revoked, for ever; make a new one"


class TooManyTokens(Conflict):
    """One person makes only so many tokens in a group."""

    code = "too_many_tokens"
    title = "You have as many tokens in this group as one person may have"


class TokenNotYours(Forbidden):
    """The token, or the group, is seen, and may not be changed."""

    code = "token_not_yours"
    title = "You may see this, but not change it"
