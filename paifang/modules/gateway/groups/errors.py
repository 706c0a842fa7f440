"""How groups refuse."""

from paifang.core.errors import Conflict, Forbidden
from paifang.modules.gateway.tokens.errors import GroupNotFound

__all__ = ["GroupIdTaken", "GroupNotFound", "GroupNotYours", "PersonalGroup"]


class GroupIdTaken(Conflict):
    """Ids of groups are unique."""

    code = "group_id_taken"
    title = "A group of that id exists"


class GroupNotYours(Forbidden):
    """The group is seen, and may not be changed."""

    code = "group_not_yours"
    title = "You may see this group, but not change it"


class PersonalGroup(Conflict):
    """A personal group is one person's, for as long as they are here."""

    code = "personal_group"
    title = "A personal group has no other members, and stays with its person"
