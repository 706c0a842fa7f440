"""The mails of accounts: where their links lead. An address that takes none stops nothing."""

import logging

from sqlalchemy.ext.asyncio import AsyncSession

from paifang.core import mail
from paifang.core.mail import BadMail, Values
from paifang.core.runtime import Runtime

log = logging.getLogger("paifang.accounts")


def page(runtime: Runtime, path: str, token: str = "") -> str:
    """The address of one of our pages.

    A token stands behind ``#``: browsers send that part to nobody, so it is in no log.
    """
    return f"{runtime.base_url}{path}" + (f"#token={token}" if token else "")


async def send(
    session: AsyncSession, *, to: str, locale: str, values: Values, dedupe_key: str
) -> None:
    """Send a mail if the caller's transaction is committed, and once per key."""
    try:
        await mail.send_template(
            session,
            to=to,
            template=values.template,
            locale=locale,
            values=values,
            dedupe_key=dedupe_key,
        )
    except BadMail:
        log.warning("an account's address takes no mail", extra={"template": values.template})


SIGN_IN = "/sign-in"
SIGN_UP = "/sign-up"
"""Takes an invitation as ``#invitation=``."""
VERIFY = "/verify"
FORGOT = "/forgot-password"
RESET = "/reset-password"
CONFIRM_EMAIL = "/confirm-email"
KEEP_EMAIL = "/keep-email"
"""Takes back a change of address."""
SETUP = "/setup"
SECURITY = "/account/security"
PEOPLE = "/console/accounts/users"
