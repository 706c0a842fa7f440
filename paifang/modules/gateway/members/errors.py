"""How memberships refuse."""

from paifang.core.errors import Conflict, Forbidden, NotFound


class MemberNotFound(NotFound):
    """The person is not in the group."""

    code = "member_not_found"
    title = "There is no such member"


class PersonNotFound(NotFound):
    """There is no person of that id, or their account is not active."""

    code = "no_such_person"
    title = "There is no such person, or their account is not active"


class LastOwner(Conflict):
    """Somebody must answer for a group."""

    code = "last_owner"
    title = "The group has no other owner"


class RoleTooLow(Forbidden):
    """The group is seen, and what was asked for is for a higher role in it."""

    code = "role_too_low"
    title = "Your role in this group does not allow this"
