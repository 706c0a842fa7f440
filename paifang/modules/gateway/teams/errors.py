"""How teams and invitations refuse."""

from paifang.core.errors import Conflict, NotFound


class InvitationNotFound(NotFound):
    """There is none, it has expired, or it is for somebody else: the answer is the same."""

    code = "group_invitation_not_found"
    title = "There is no such invitation, or it has expired"


class OtherAddress(Conflict):
    """Told to those who see every invitation; for others it is not there."""

    code = "other_address"
    title = "This invitation is for another address"


class TooManyTeams(Conflict):
    """One person owns only so many teams."""

    code = "too_many_teams"
    title = "You own as many teams as one person may"


class TooManyMembers(Conflict):
    """A team has only so many members and open invitations."""

    code = "too_many_members"
    title = "The team has as many members and invitations as it may have"


class AlreadyMember(Conflict):
    """The person is in the group."""

    code = "already_member"
    title = "This person is a member already"
