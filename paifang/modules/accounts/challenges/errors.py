"""How throttles and challenges refuse."""

from datetime import datetime
from typing import Any

from paifang.core.db import utc_now
from paifang.core.errors import AppError, Forbidden


class TooManyAttempts(AppError):
    """Too many tries; `Retry-After` says when the next one is looked at."""

    status = 429
    code = "too_many_attempts"
    title = "Too many attempts; wait a moment"

    def __init__(self, until: datetime) -> None:
        seconds = max(1, round((until - utc_now()).total_seconds() + 0.5))
        super().__init__(
            f"Try again in {seconds} s. Another way in works meanwhile: a device you have "
            "signed in on before, a passkey, or a link by mail (forgotten password).",
            headers={"Retry-After": str(seconds)},
        )


class ChallengeRequired(Forbidden):
    """A proof of work is wanted; `challenge` is one to solve."""

    code = "challenge_required"
    title = "Solve the challenge and send the solution along"

    def __init__(self, challenge: dict[str, Any], detail: str | None = None) -> None:
        super().__init__(detail, extensions={"challenge": challenge})
