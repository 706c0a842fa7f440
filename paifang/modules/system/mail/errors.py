"""How mail refuses."""

from paifang.core.errors import Conflict, NotFound


class MailNotFound(NotFound):
    """No mail has that id, or it is not in the dev inbox."""

    code = "mail_not_found"
    title = "There is no such mail"


class MailNotRetried(Conflict):
    """The mail is done, or is being tried at this moment."""

    code = "mail_not_retried"
    title = "The mail can't be tried again"
