"""Who may come in, and what a new person may use. The gateway asks when it makes their group."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import audit, params
from paifang.core.auth import Principal
from paifang.core.changes import Check
from paifang.modules.accounts.params import NEW_PEOPLE, REGISTRATION, REGISTRATIONS

MAX_MODELS = 1000
MAX_LIMIT = 10**12
MAX_NANOS = 10**18


@dataclass(frozen=True, slots=True)
class NewPerson:
    """What a new person's own group may use, until an administrator says otherwise."""

    models: list[str] | None
    """Names of models beside the local ones; None is all of them."""
    local_models: bool
    """Whether the models that run on this installation's own machines are among them."""
    rpm: int | None
    """Requests per minute; None is no limit."""
    tpm: int | None
    """Model tokens per minute; None is no limit."""
    concurrency: int | None
    """Calls in flight; None is no limit."""
    quota: int | None
    """What the group may spend, in billionths of the metering currency; None is no limit."""


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Who may come in, and with what."""

    registration: str
    """``open``, ``invitation`` or ``approval``."""
    new_person: NewPerson


async def for_new_person(session: AsyncSession) -> NewPerson:
    """What a group that is made for a person now may use."""
    stored = await params.get(session, param=NEW_PEOPLE)
    return NewPerson(**{**NEW_PEOPLE.default, **stored})


async def get(session: AsyncSession) -> Newcomers:
    """Both, as an administrator sees them."""
    registration = await params.get(session, param=REGISTRATION)
    return Newcomers(registration, await for_new_person(session))


async def put(
    session: AsyncSession, *, actor: Principal, registration: str, new_person: NewPerson
) -> Newcomers:
    """Decide both. Groups that are there stay as they are.

    Raises:
        Invalid: a value can't be right.
    """
    before = await get(session)
    values = _checked(registration, new_person)
    await params.put(session, param=REGISTRATION, value=registration)
    await params.put(session, param=NEW_PEOPLE, value=values)
    await session.flush()
    audit.record(
        session,
        actor=actor,
        action="accounts.settings.update",
        subject_type="settings",
        subject_id="accounts",
        changes={"registration": [before.registration, registration], "new_person": values},
    )
    return await get(session)


def _checked(registration: str, new_person: NewPerson) -> dict[str, Any]:
    check = Check()
    check.choice("registration", registration, REGISTRATIONS)
    values = asdict(new_person)
    models = new_person.models
    if models is not None:
        if len(models) > MAX_MODELS:
            check.wrong("new_person.models", f"name at most {MAX_MODELS}")
        values["models"] = [
            check.name(name, f"new_person.models.{place}", 128)
            for place, name in enumerate(models[:MAX_MODELS])
        ]
    for field in ("rpm", "tpm", "concurrency"):
        check.whole(f"new_person.{field}", values[field], 1, MAX_LIMIT)
    check.whole("new_person.quota", values["quota"], 0, MAX_NANOS)
    check.done()
    return values
