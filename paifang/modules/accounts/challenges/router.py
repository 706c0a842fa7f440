"""The API of challenges."""

from fastapi import APIRouter, Request

from paifang.core.auth import public
from paifang.modules.accounts.challenges.schemas import ChallengeRead
from paifang.modules.accounts.challenges.service import Throttles
from paifang.modules.accounts.settings import AccountsSettings

router = APIRouter(prefix="/auth", tags=["auth"])


@router.get("/challenge", dependencies=[public()])
async def get_challenge(request: Request) -> ChallengeRead:
    """A proof of work to solve; a solution counts once, for ten minutes."""
    runtime = request.app.state.runtime
    throttles = Throttles(runtime.secrets, runtime.settings.area(AccountsSettings))
    return ChallengeRead.model_validate(throttles.challenge())
