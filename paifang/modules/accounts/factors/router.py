"""The API of one's own factors, as a whole."""

from fastapi import APIRouter

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.modules.accounts.factors import service
from paifang.modules.accounts.factors.schemas import FactorsRead, SecondFactorRule
from paifang.modules.accounts.own import own_id
from paifang.modules.accounts.permissions import AccountsPermission

console = APIRouter(prefix="/accounts/settings/second-factor", tags=["people"])
router = APIRouter(prefix="/account/factors", tags=["account"])
SELF = require(AccountsPermission.SELF)


@router.get("", dependencies=[SELF])
async def get_factors(session: Db, caller: Caller) -> FactorsRead:
    """With what you can prove who you are, and what is asked of you."""
    found = await service.overview(session, user_id=own_id(caller))
    return FactorsRead(
        password=found.ways.password,
        totp_since=found.totp_since,
        passkeys=found.ways.passkeys,
        identities=found.ways.identities,
        recovery_codes_left=found.recovery_codes_left,
        methods=found.methods,
        required=found.required,
    )


@console.get("", dependencies=[require(AccountsPermission.SETTINGS_READ)])
async def get_second_factor_rule(session: Db) -> SecondFactorRule:
    """Who needs a second factor."""
    return SecondFactorRule(rule=await service.rule(session))


@console.put("", dependencies=[require(AccountsPermission.SETTINGS_WRITE)])
async def put_second_factor_rule(
    session: Db, caller: Caller, body: SecondFactorRule
) -> SecondFactorRule:
    """Decide that anew. Sessions of who lacks one end within minutes; signing in sets one up."""
    await service.require(session, actor=caller, rule=body.rule)
    return body
