"""What an administrator changes about accounts while Paifang runs."""

from typing import Any

from paifang.core.module import Param

OPEN = "open"
INVITATION = "invitation"
APPROVAL = "approval"
REGISTRATIONS = (OPEN, INVITATION, APPROVAL)

REGISTRATION: Param = Param(
    "accounts.registration",
    default=INVITATION,
    description="Who may come in: `open` to everybody, by `invitation`, or by `approval`.",
)

NEW_PEOPLE_DEFAULT: dict[str, Any] = {
    "models": [],
    "local_models": True,
    "rpm": 20,
    "tpm": 40_000,
    "concurrency": 2,
    "quota": 0,
}
NEW_PEOPLE: Param = Param(
    "accounts.new_people",
    default=NEW_PEOPLE_DEFAULT,
    description="What a new person's own group may use: `models` by name (null: all), "
    "`local_models`, `rpm`, `tpm`, `concurrency` (null: no limit) and `quota` in billionths of "
    "the metering currency (null: no limit).",
)
