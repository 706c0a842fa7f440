"""What the API of recovery codes takes and gives."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class RecoveryCodesRead(BaseModel):
    """Recovery codes, shown this once. Each works once; those before are over."""

    recovery_codes: list[str]


class RecoveryCodeSignIn(BaseModel):
    """The ticket of a sign-in, and a recovery code."""

    model_config = ConfigDict(extra="forbid")

    ticket: Annotated[str, StringConstraints(min_length=16, max_length=1024)]
    code: Annotated[str, StringConstraints(min_length=8, max_length=64)]
