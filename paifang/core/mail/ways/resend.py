"""Resend: ``POST /emails`` with an idempotency key."""

from paifang.core.mail.models import Mail, MailState
from paifang.core.mail.ways.api import Answer, ApiBackend, NoAnswer, text_of
from paifang.core.mail.ways.port import Outcome, Trouble

_QUOTA_REST = 3600.0
"""Seconds to wait for a quota of the day or of the month."""
_ABOUT_THE_ADDRESS = ("`to`", "'to'", '"to"')


class ResendBackend(ApiBackend):
    """Resend's API. The mail's id is the idempotency key, which Resend remembers for a day."""

    kind = "resend"
    host = "api.resend.com"

    async def send(self, mail: Mail) -> Outcome:
        """See :class:`~paifang.core.mail.ways.port.Way`."""
        body: dict[str, object] = {
            "from": str(self.sender),
            "to": [mail.to],
            "subject": mail.subject,
            "text": mail.text,
            # Auto-Submitted: no out-of-office replies (RFC 3834). The other keeps mail programs
            # from folding two mails of one subject into one conversation.
            "headers": {"Auto-Submitted": "auto-generated", "X-Entity-Ref-ID": mail.id.hex},
        }
        if mail.html is not None:
            body["html"] = mail.html
        headers = {**self._authorization, "Idempotency-Key": mail.id.hex}
        try:
            answer = await self.ask("POST", "/emails", headers=headers, body=body)
        except NoAnswer as error:
            return self.trouble(mail, Trouble.AWAY, str(error))
        return self._outcome(mail, answer)

    def _outcome(self, mail: Mail, answer: Answer) -> Outcome:
        status, name = answer.status, text_of(answer.body, "name")
        said = f"{status} {name} {text_of(answer.body, 'message')}"
        if status in {200, 201}:
            if text_of(answer.body, "id"):
                return Outcome(MailState.SENT)
            return self.trouble(mail, Trouble.AWAY, f"{status} without an id: not its API")
        if status == 429:
            rest = answer.rest
            if rest is None and name.endswith("_quota_exceeded"):
                rest = _QUOTA_REST
            return self.trouble(mail, Trouble.ENOUGH, said, rest=rest)
        if status >= 500 or status == 408 or not name:
            return self.trouble(mail, Trouble.AWAY, said, rest=answer.rest)
        return self._refusal(mail, answer, name, said)

    def _refusal(self, mail: Mail, answer: Answer, name: str, said: str) -> Outcome:
        message = text_of(answer.body, "message").lower()
        if name == "concurrent_idempotent_requests":
            # An earlier attempt is not finished there: another way out would send it twice.
            return Outcome(MailState.QUEUED, self._line(said, mail), settled=True)
        if name == "invalid_idempotent_request":
            # It has had this mail from another sender, less than a day ago.
            return Outcome(MailState.QUEUED, self._line(said, mail))
        if name == "invalid_to_address" or (
            answer.status in {400, 422} and any(word in message for word in _ABOUT_THE_ADDRESS)
        ):
            return self.refused(mail, said)
        return self.trouble(mail, Trouble.CONFIGURATION, said)

    async def probe(self) -> str:
        """See :class:`~paifang.core.mail.ways.port.Way`."""
        try:
            answer = await self.ask("GET", "/domains", headers=self._authorization)
        except NoAnswer as error:
            raise self.unusable(str(error)) from error
        if text_of(answer.body, "name") == "restricted_api_key":
            return "takes the key, which may send and nothing else"
        rows = answer.body.get("data")
        if answer.status != 200 or not isinstance(rows, list):
            raise self.unusable(f"{answer.status} {text_of(answer.body, 'message')}")
        states = {row.get("name"): row.get("status") for row in rows if isinstance(row, dict)}
        domain = self.sender.domain
        if states.get(domain) == "verified":
            return f"takes the key, {domain} is verified"
        state = states.get(domain)
        found = f"is {state}" if isinstance(state, str) else "is not among its domains"
        raise self.unusable(f"takes the key, but {domain} {found}: verify it at resend.com/domains")

    @property
    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}
