"""How an explanation is refused."""

from paifang.core.errors import NotFound


class SubjectNotFound(NotFound):
    """Nothing has that id, or it is outside of the caller's own scope."""

    code = "subject_not_found"
    title = "There is no such subject"
