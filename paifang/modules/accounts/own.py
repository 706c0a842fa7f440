"""Whose a request about oneself is."""

from uuid import UUID

from paifang.core.auth import Principal
from paifang.modules.accounts.sessions.errors import NoPerson


def own_id(caller: Principal) -> UUID:
    """The id of a caller who is a person. Raises :class:`NoPerson` for keys and commands."""
    if caller.user_id is None:
        raise NoPerson
    return caller.user_id
