"""How sessions refuse."""

from paifang.core.errors import AppError, Conflict, Forbidden, NotFound, Unauthenticated


class SessionEnded(Unauthenticated):
    """The session is over, or the refresh token is none of its current ones."""

    code = "session_ended"
    title = "The session has ended; sign in again"


class NoPerson(Conflict):
    """A key has no account of its own: only somebody who has signed in does."""

    code = "no_person"
    title = "Sign in to have an account of your own"


class SessionNotFound(NotFound):
    """The caller has no such session that is open."""

    code = "session_not_found"
    title = "There is no such session"


class ReauthenticationRequired(Forbidden):
    """A sensitive change wants a proof of who one is that is not old."""

    code = "reauthentication_required"
    title = "Prove once more who you are"


class CrossSite(AppError):
    """The request comes from another site, or in a form that another site could send."""

    status = 403
    code = "cross_site"
    title = "This request may only come from Paifang's own pages"
