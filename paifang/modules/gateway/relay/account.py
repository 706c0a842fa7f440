"""What in an upstream's error is about our account with it: that is none of a client's business."""

from typing import Any

_ACCOUNT = {
    # OpenAI's codes and Anthropic's types
    "invalid_api_key": 401,
    "authentication_error": 401,
    "account_deactivated": 401,
    "permission_error": 403,
    "insufficient_quota": 402,
    "billing_error": 402,
    "billing_hard_limit_reached": 402,
    "billing_not_active": 402,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    # Google's reasons and statuses: a bad key is a 400 there, and so is an account without
    # billing where there is no free use
    "api_key_invalid": 401,
    "unauthenticated": 401,
    "billing_disabled": 402,
    "permission_denied": 403,
    "failed_precondition": 403,
    "resource_exhausted": 429,
    # Azure's codes, and others' that repeat the status
    "401": 401,
    "402": 402,
    "403": 403,
    "429": 429,
}
"""Words of errors that are about our account, and the statuses they stand for: an error in an
answer that says 200 has no other."""

_SORT = ("code", "type", "status")

SHORTEST_SECRET = 8
"""Characters. A shorter credential is mostly a word such as ``ollama``, and may stand anywhere."""


def about_account(error: Any) -> int:
    """The status that stands for an error about our account; 0 when it is about anything else."""
    if not isinstance(error, dict):
        return 0
    words = [error.get(name) for name in _SORT]
    details = error.get("details")
    if isinstance(details, list):
        words += [detail.get("reason") for detail in details if isinstance(detail, dict)]
    for word in words:
        if isinstance(word, str | int) and (status := _ACCOUNT.get(str(word).lower())):
            return status
    return 0


def _holds(error: Any, secret: str) -> bool:
    """Whether a credential stands in an error, in its names or values."""
    if len(secret) < SHORTEST_SECRET:
        return False
    parts = [error]
    while parts:  # no recursion: an error may be nested deeper than that goes
        part = parts.pop()
        if isinstance(part, str):
            if secret in part:
                return True
        elif isinstance(part, dict):
            parts += part
            parts += part.values()
        elif isinstance(part, list):
            parts += part
    return False


def without(error: Any, secret: str) -> Any:
    """The error, or, with the credential in it, what sort of error it was."""
    if not _holds(error, secret):
        return error
    sort = {name: error.get(name) for name in _SORT} if isinstance(error, dict) else {}
    return {"message": None} if _holds(sort, secret) else {"message": None, **sort}
