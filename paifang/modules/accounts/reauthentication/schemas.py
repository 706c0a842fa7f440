"""What the API of proving once more who one is takes."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from paifang.modules.accounts.fields import GivenPassword


class Proof(BaseModel):
    """One of: the password, a code, a passkey's answer, or an account at another service.

    Who has a second factor proves it with that; the password alone is refused then.
    """

    model_config = ConfigDict(extra="forbid")

    password: GivenPassword | None = None
    code: Annotated[str, StringConstraints(min_length=6, max_length=64)] | None = Field(
        None, description="Of the authenticator app, or a recovery code, which is used up."
    )
    challenge_id: Annotated[str, StringConstraints(min_length=16, max_length=64)] | None = Field(
        None, description="With `credential`: what `reauthenticate/options` gave."
    )
    credential: dict[str, Any] | None = None
    identity: bool = Field(
        False,
        description="Whether the browser has just come back from "
        "`identities/{provider}/start` with the purpose `reauthenticate`.",
    )

    @model_validator(mode="after")
    def _one(self) -> "Proof":
        given = [self.password, self.code, self.credential, self.identity or None]
        if sum(proof is not None for proof in given) != 1:
            raise ValueError("send one of password, code, credential and identity")
        if (self.credential is None) is not (self.challenge_id is None):
            raise ValueError("credential and challenge_id belong together")
        return self


class ProvedRead(BaseModel):
    """Proved. Sensitive changes are taken for some minutes."""

    until: datetime


class ProofQuestion(BaseModel):
    """What a browser is to ask: `options` for `navigator.credentials.get`."""

    challenge_id: str
    options: dict[str, Any]
