"""How recovery refuses."""

from paifang.core.errors import AppError


class WrongPassword(AppError):
    """The present password was not right."""

    status = 403
    code = "wrong_password"
    title = "The present password is not right"
