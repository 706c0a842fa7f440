"""How the profile refuses."""

from paifang.core.errors import Conflict


class NoPerson(Conflict):
    """A key has no profile: only somebody who has signed in does."""

    code = "no_person"
    title = "Sign in to have an account of your own"
