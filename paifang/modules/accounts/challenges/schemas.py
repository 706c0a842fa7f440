"""What the challenges' API gives."""

from pydantic import BaseModel


class ChallengeRead(BaseModel):
    """A proof of work: find the number that, behind the salt, has the hash.

    The solution is base64 of a JSON object with `algorithm`, `challenge`, `number`, `salt` and
    `signature`.
    """

    algorithm: str
    challenge: str
    maxnumber: int
    salt: str
    signature: str
