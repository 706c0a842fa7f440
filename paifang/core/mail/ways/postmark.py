"""Postmark: ``POST /email``, and a look at what it has before a mail is handed over again."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from paifang.core.db import utc_now
from paifang.core.mail.message import message_id
from paifang.core.mail.models import Mail, MailState
from paifang.core.mail.ways.api import Answer, ApiBackend, NoAnswer, text_of
from paifang.core.mail.ways.port import Outcome, Trouble

INVALID_REQUEST = 300
INACTIVE_RECIPIENT = 406
RATE_LIMITED = 429
MAINTENANCE = 100
NO_CREDIT = 405

_FIRST_TRY = timedelta(seconds=5)
"""A mail that is older may have been handed over before, by a process that died."""
_METADATA = "paifang"


class PostmarkBackend(ApiBackend):
    """Postmark's API. It knows no idempotency key, so a mail carries its id as metadata, and before
    it may be the second time Postmark is asked whether it has that mail.

    ``?stream=`` names the message stream, by default ``outbound``.
    """

    kind = "postmark"
    host = "api.postmarkapp.com"
    options = frozenset({"stream"})

    async def send(self, mail: Mail) -> Outcome:
        """See :class:`~paifang.core.mail.ways.port.Way`."""
        try:
            if self._perhaps_again(mail) and await self._has(mail):
                return Outcome(MailState.SENT)
            answer = await self.ask("POST", "/email", headers=self._token, body=self._body(mail))
        except NoAnswer as error:
            return self.trouble(mail, Trouble.AWAY, str(error))
        return self._outcome(mail, answer)

    @staticmethod
    def _perhaps_again(mail: Mail) -> bool:
        return mail.attempts > 1 or utc_now() - mail.created_at > _FIRST_TRY

    async def _has(self, mail: Mail) -> bool:
        """Whether Postmark has taken this mail; False when it can't say."""
        path = f"/messages/outbound?count=50&offset=0&recipient={quote(mail.to, safe='')}"
        answer = await self.ask("GET", path, headers=self._token)
        rows = answer.body.get("Messages")
        if answer.status != 200 or not isinstance(rows, list):
            return False
        found = (row.get("Metadata") for row in rows if isinstance(row, dict))
        return any(isinstance(data, dict) and data.get(_METADATA) == mail.id.hex for data in found)

    def _body(self, mail: Mail) -> dict[str, Any]:
        headers = {
            "Auto-Submitted": "auto-generated",  # no out-of-office replies (RFC 3834)
            "Message-ID": message_id(mail, sender=self.sender),
            "X-PM-KeepID": "true",
        }
        body: dict[str, Any] = {
            "From": str(self.sender),
            "To": mail.to,
            "Subject": mail.subject,
            "TextBody": mail.text,
            "MessageStream": self.given.get("stream") or "outbound",
            "TrackOpens": False,
            "TrackLinks": "None",
            "Metadata": {_METADATA: mail.id.hex},
            "Headers": [{"Name": name, "Value": value} for name, value in headers.items()],
        }
        if mail.html is not None:
            body["HtmlBody"] = mail.html
        return body

    def _outcome(self, mail: Mail, answer: Answer) -> Outcome:
        code, message = answer.body.get("ErrorCode"), text_of(answer.body, "Message")
        said = f"{answer.status} {'' if code is None else code} {message}"
        if answer.status == 200 and code == 0:
            return Outcome(MailState.SENT)
        if answer.status == 429 or code in {RATE_LIMITED, NO_CREDIT}:
            return self.trouble(mail, Trouble.ENOUGH, said, rest=answer.rest)
        if answer.status >= 500 or code == MAINTENANCE or not isinstance(code, int):
            return self.trouble(mail, Trouble.AWAY, said, rest=answer.rest)
        # 300 is said of every field; who we are is not the mail's fault.
        ours = "'from'" in message.lower() or "sender" in message.lower()
        if code == INACTIVE_RECIPIENT or (code == INVALID_REQUEST and not ours):
            return self.refused(mail, said)
        return self.trouble(mail, Trouble.CONFIGURATION, said)

    async def probe(self) -> str:
        """See :class:`~paifang.core.mail.ways.port.Way`."""
        try:
            answer = await self.ask("GET", "/server", headers=self._token)
        except NoAnswer as error:
            raise self.unusable(str(error)) from error
        name = text_of(answer.body, "Name")
        if answer.status != 200 or not name:
            raise self.unusable(f"{answer.status} {text_of(answer.body, 'Message')}")
        if text_of(answer.body, "DeliveryType") == "Sandbox":
            raise self.unusable(f"takes the token, but its server {name} is a sandbox: no delivery")
        return f"takes the token of its server {name}"

    @property
    def _token(self) -> dict[str, str]:
        return {"X-Postmark-Server-Token": self._key}
