"""How invitations refuse."""

from paifang.core.errors import NotFound


class InvitationOver(NotFound):
    """The invitation is none of ours, was used, taken back, or is for another address."""

    code = "invitation_over"
    title = "This invitation is over; ask for a new one"


class InvitationNotFound(NotFound):
    """No invitation has that id."""

    code = "invitation_not_found"
    title = "There is no such invitation"
