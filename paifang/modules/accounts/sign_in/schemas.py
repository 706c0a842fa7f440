"""What the API of signing in takes and gives."""

from pydantic import BaseModel, ConfigDict

from paifang.modules.accounts.fields import GivenEmail, GivenPassword, Solution


class PasswordSignIn(BaseModel):
    """An address and a password."""

    model_config = ConfigDict(extra="forbid")

    email: GivenEmail
    password: GivenPassword
    challenge: Solution | None = None


class ProgramTokens(BaseModel):
    """Tokens for a program, in the form of OAuth 2 (RFC 6749)."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class ProgramRefusal(BaseModel):
    """Why a program gets no tokens, in OAuth's form (RFC 6749, section 5.2)."""

    error: str
    error_description: str
