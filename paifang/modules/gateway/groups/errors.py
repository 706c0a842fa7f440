"""How groups refuse."""

from paifang.core.errors import Conflict
from paifang.modules.gateway.tokens.errors import GroupNotFound

__all__ = ["GroupIdTaken", "GroupNotFound"]


class GroupIdTaken(Conflict):
    """Ids of groups are unique."""

    code = "group_id_taken"
    title = "A group of that id exists"
