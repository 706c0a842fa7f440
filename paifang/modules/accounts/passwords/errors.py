"""How passwords refuse."""

from typing import Any

from paifang.core.errors import Invalid, Unavailable


class WeakPassword(Invalid):
    """The new password is too short, too long, common, or made of what everybody knows."""

    code = "weak_password"
    title = "Choose another password"

    def __init__(self, message: str, *, kind: str, **bounds: int) -> None:
        wrong: dict[str, Any] = {"field": "password", "message": message, "code": kind}
        if bounds:
            wrong["bounds"] = {name: str(value) for name, value in bounds.items()}
        super().__init__(f"password: {message}", errors=[wrong])


class HashingBusy(Unavailable):
    """Too many passwords are being checked in this process at the moment."""

    code = "busy"
    title = "Too many people sign in at this moment"
