"""How users refuse."""

from paifang.core.errors import Conflict, NotFound


class UserNotFound(NotFound):
    """No person has that id, or the caller does not see them."""

    code = "user_not_found"
    title = "There is no such person"


class EmailTaken(Conflict):
    """Another account has the mail address."""

    code = "email_taken"
    title = "Another account has this mail address"


class NoPerson(Conflict):
    """A key has no account of its own: only somebody who has signed in does."""

    code = "no_person"
    title = "Sign in to have an account of your own"
