"""The API of who may come in, and with what."""

from decimal import Decimal

from fastapi import APIRouter

from paifang.core.auth import Caller, require
from paifang.core.db.request import Db
from paifang.modules.accounts.newcomers import service
from paifang.modules.accounts.newcomers.schemas import NewcomersSettings, NewPersonSettings
from paifang.modules.accounts.newcomers.service import Newcomers, NewPerson
from paifang.modules.accounts.permissions import AccountsPermission

router = APIRouter(prefix="/accounts/settings", tags=["people"])
NANOS = 10**9


@router.get("", dependencies=[require(AccountsPermission.SETTINGS_READ)])
async def get_settings(session: Db) -> NewcomersSettings:
    """Who may come in, and what a new person's group may use."""
    return _read(await service.get(session))


@router.put("", dependencies=[require(AccountsPermission.SETTINGS_WRITE)])
async def put_settings(session: Db, caller: Caller, body: NewcomersSettings) -> NewcomersSettings:
    """Decide that anew. It is for people and groups to come; those that are there stay."""
    quota = body.new_person.quota
    wanted = NewPerson(
        models=body.new_person.models,
        local_models=body.new_person.local_models,
        rpm=body.new_person.rpm,
        tpm=body.new_person.tpm,
        concurrency=body.new_person.concurrency,
        quota=None if quota is None else int(Decimal(quota) * NANOS),
    )
    return _read(
        await service.put(session, actor=caller, registration=body.registration, new_person=wanted)
    )


def _read(found: Newcomers) -> NewcomersSettings:
    person = found.new_person
    quota = person.quota
    return NewcomersSettings(
        registration=found.registration,
        new_person=NewPersonSettings(
            models=person.models,
            local_models=person.local_models,
            rpm=person.rpm,
            tpm=person.tpm,
            concurrency=person.concurrency,
            quota=None if quota is None else f"{(Decimal(quota) / NANOS).normalize():f}",
        ),
    )
