"""Fills a running installation with what its pages show: people, groups, tokens, channels, prices,
teams and a month of calls. Everything is made as in real life: by the API, and calls by records in
the journal, which the gateway itself takes over and counts.

    python -m scripts.seed http://127.0.0.1:8000 HOME

prints, as JSON, who can sign in. The installation must not ask for proofs of work:
``PAIFANG_ACCOUNTS_CHALLENGE_NUMBER=0``. Names are nobody's and no product's.
"""

import json
import math
import random
import sys
import time
from pathlib import Path
from typing import Any, Self

import httpx

from paifang.modules.gateway.relay.journal import Journal
from paifang.modules.gateway.relay.record import Record, new_request_id

PASSWORD = "seven lanterns over the old gate"
DAYS = 30
CALLS_A_DAY = 120
LONG = "nightly-evaluation-of-every-model-in-the-house-without-an-end"
PATIENCE = 60.0
NOWHERE = "http://127.0.0.1:9/v1"

MODELS = {
    # model: (input, cached, output, median latency in ms, share)
    "chat-small": ("0.25", "0.025", "2", 900, 30),
    "chat-large": ("3", "0.3", "15", 2100, 18),
    "chat-fast": ("0.27", "0.07", "1.1", 1400, 24),
    "chat-open-235b-instruct": ("0.7", None, "2.8", 1700, 10),
    "embedding-small": ("0.02", None, "0", 120, 8),
    "chat-trial": (None, None, None, 600, 6),  # served, and without a price
}
CHANNELS = (
    ("Provider A", ["chat-small", "embedding-small"], 10),
    ("Provider B", ["chat-large"], 10),
    ("Provider C", ["chat-fast"], 10),
    ("Provider D, when others are down", ["chat-small", "chat-fast"], 0),
    ("On trial", ["chat-trial"], 5),
    ("Our own machine", ["chat-open-235b-instruct"], 0),
)


class Seed:
    """Makes the things, as whoever has the administrator key."""

    def __init__(
        self, base: str, home: Path, key: str, *, days: int = DAYS, calls_a_day: int = CALLS_A_DAY
    ) -> None:
        self.home = home
        self.days = days
        self.calls_a_day = calls_a_day
        self.api = httpx.Client(
            base_url=f"{base}/api/v1", headers={"authorization": f"Bearer {key}"}, timeout=60
        )
        self.random = random.Random(7)  # the same picture each time

    def __enter__(self) -> Self:
        """Ready to make things."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing more is asked."""
        self.api.close()

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """One call that has to succeed."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = self.api.request(method, path, json=body, headers=headers)
        if answer.is_error:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def person(self, email: str, name: str, *, role: str | None = None) -> tuple[str, str]:
        """An account that can sign in; its id and an access token."""
        made = self.call("POST", "/accounts/users", {"email": email, "display_name": name})
        body = {
            "email": email,
            "display_name": name,
            "password": PASSWORD,
            "locale": "en",
            "invitation": made["invitation_link"].partition("#invitation=")[2],
        }
        session = self.call("POST", "/auth/sign-up", body)
        self.api.cookies.clear()  # else the next person would end the session of this one
        if role is not None:
            roles = self.call("GET", "/access/roles")["items"]
            ids = [one["id"] for one in roles if one["code"] == role]
            self.call("PUT", f"/accounts/users/{made['user']['id']}/roles", {"role_ids": ids})
        return made["user"]["id"], session["access_token"]

    def prices(self) -> None:
        """What models cost, one of them with a history."""
        for model, (given, cached, output, *_) in MODELS.items():
            if given is None:
                continue
            price = {"model": model, "input": given, "output": output, "cached_input": cached}
            self.call("POST", "/gateway/prices", price)
        later = {"model": "chat-fast", "input": "0.22", "output": "0.9"}
        later["valid_from"] = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 9e5))
        self.call("POST", "/gateway/prices", later)

    def channels(self) -> dict[str, tuple[str, str]]:
        """Upstreams; by model the id and name of the first that serves it."""
        found: dict[str, tuple[str, str]] = {}
        for name, models, priority in CHANNELS:
            body = {
                "name": name,
                "provider": "openai",
                "base_url": NOWHERE,
                "models": models,
                "priority": priority,
                "credential": "sk-not-a-real-credential-1234",
            }
            if name == "On trial":
                body["model_mapping"] = {"chat-trial": "chat-trial-preview-0001"}
            made = self.call("POST", "/gateway/channels", body)
            for model in models:
                found.setdefault(model, (made["id"], name))
        return found

    def token(self, group: str, name: str, key: str | None = None, **more: Any) -> dict[str, Any]:
        """A token of a group."""
        made = self.call("POST", "/gateway/tokens", {"group_id": group, "name": name, **more}, key)
        return {"group": group, **made}

    def calls(self, tokens: list[dict[str, Any]], channels: dict[str, tuple[str, str]]) -> None:
        """A month of calls with days and nights, weekends, and one bad evening."""
        now = time.time()
        records = []
        models = list(MODELS)
        shares = [MODELS[model][4] for model in models]
        token_shares = [2 ** -(at / 2) for at in range(len(tokens))]
        for day in range(self.days):
            at = now - (self.days - day) * 86_400
            weekend = time.gmtime(at).tm_wday >= 5
            growth = 0.5 + day / self.days
            count = int(self.calls_a_day * growth * (0.45 if weekend else 1))
            for _ in range(count):
                hour = min(23.9, max(0, self.random.gauss(13, 4)))
                moment = min(at + hour * 3600, now - 30)
                model = self.random.choices(models, shares)[0]
                token = self.random.choices(tokens, token_shares)[0]
                records.append(self.record(moment, model, token, channels[model], day == 22))
        records.sort(key=lambda record: record.started_at)
        journal = Journal(self.home / "journal")
        for record in records:
            journal.append(record.to_bytes())
        journal.close()
        self._counted(len(records))

    def _counted(self, calls: int) -> None:
        """Wait until the gateway has taken them over."""
        begin = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() - 86_400 * self.days))
        until = time.monotonic() + PATIENCE
        while self.call("GET", f"/gateway/overview?from={begin}")["totals"]["calls"] < calls:
            if time.monotonic() > until:
                raise SystemExit("the gateway has not taken the calls over")
            time.sleep(0.1)

    def record(
        self,
        moment: float,
        model: str,
        token: dict[str, Any],
        channel: tuple[str, str],
        bad_day: bool,
    ) -> Record:
        """One call, mostly a good one."""
        given, cached_price, output_price, median, _ = MODELS[model]
        fate = self.random.random() * (0.35 if bad_day else 1)
        tokens_in = int(self.random.lognormvariate(6.5, 1))
        cached = int(tokens_in * self.random.random() * 0.6) if cached_price else 0
        tokens_out = 0 if "embedding" in model else int(self.random.lognormvariate(5.3, 0.8))
        duration = median * self.random.lognormvariate(0, 0.5)
        call = Record(
            request_id=new_request_id(moment),
            started_at=moment,
            group_id=token["group"],
            model=model,
            endpoint="/v1/embeddings" if "embedding" in model else "/v1/chat/completions",
            status=200,
            duration_ms=duration,
            stream="embedding" not in model and self.random.random() < 0.7,
            token_id=token["id"],
            token_name=token["name"],
            channel_id=channel[0],
            channel_name=channel[1],
            upstream_model=model,
            attempts=1,
            ip=f"203.0.113.{self.random.randrange(1, 200)}",
            user_agent=self.random.choice(
                ("website/2.1", "desk/1.7.0", "nightly/0.3", "curl/8.14.1")
            ),
        )
        if fate < 0.02:
            call.status, call.outcome, call.error = 502, "upstream_error", "upstream_failed"
            call.attempts, call.duration_ms = 2, duration * 3
            return call
        if fate < 0.035:
            call.status, call.outcome, call.error = 429, "refused", "rate_limited"
            call.channel_id, call.channel_name, call.attempts, call.duration_ms = None, "", 0, 0.4
            return call
        if fate < 0.045:
            call.outcome, call.error = "client_gone", "client_gone"
            tokens_out //= 3
        call.first_byte_ms = duration * 0.3
        call.input, call.cached_input, call.output = tokens_in - cached, cached, tokens_out
        if given is not None:
            nanos = (tokens_in - cached) * float(given) + tokens_out * float(output_price or 0)
            call.cost = math.ceil((nanos + cached * float(cached_price or 0)) * 1000)
        return call

    def all(self) -> dict[str, Any]:
        """Everything; says who can sign in."""
        administrator = "owner@example.com"
        owner, owner_key = self.person(administrator, "The Owner", role="administrator")
        _, reader_key = self.person("reader@example.com", "A Reader")
        writer, _ = self.person("writer@example.com", "A Writer")
        self.person("new@example.com", "A Newcomer")
        self.prices()
        channels = self.channels()
        group = self.call("PUT", "/gateway/groups/personal", token=reader_key)["id"]
        self.call("PATCH", f"/gateway/groups/{group}", {"models": None, "quota": "25", "rpm": 60})
        for name, more in (
            ("office", {"kind": "service", "name": "Office", "quota": "500", "rpm": 600}),
            ("research", {"kind": "service", "name": "Research 研究", "concurrency": 8}),
            ("trial", {"kind": "service", "name": "Trial", "quota": "1", "unpriced": "block"}),
        ):
            self.call("POST", "/gateway/groups", {"id": name, **more})
        team = self.call("POST", "/gateway/teams", {"name": "Team A"}, reader_key)["id"]
        self.call("PATCH", f"/gateway/groups/{team}", {"models": None, "quota": "80"})
        self.call("PUT", f"/gateway/groups/{team}/members/{writer}", {"role": "member"})
        self.call("PUT", f"/gateway/groups/{team}/members/{owner}", {"role": "manager"})
        invited = {"email": "someone.with.a.rather.long.address@research.example.org"}
        self.call("POST", f"/gateway/groups/{team}/invitations", invited, reader_key)
        other = self.call("POST", "/gateway/teams", {"name": "Team B"}, owner_key)["id"]
        invited = {"email": "reader@example.com", "role": "manager"}
        self.call("POST", f"/gateway/groups/{other}/invitations", invited, owner_key)
        soon = time.strftime("%Y-%m-%dT12:00:00Z", time.gmtime(time.time() + 5 * 86_400))
        tokens = [
            self.token("office", "website"),
            self.token(group, "laptop", reader_key, quota="10", rpm=30),
            self.token("research", LONG),
            self.token(team, "shared-desk", reader_key, expires_at=soon),
            self.token(group, "phone", reader_key, models=["chat-small"]),
            self.token("office", "batch", networks=["10.0.0.0/8"]),
        ]
        off = self.token(group, "old-script", reader_key)
        self.call("PATCH", f"/gateway/tokens/{off['id']}", {"status": "disabled"}, reader_key)
        gone = self.token(group, "leaked", reader_key)
        self.call("POST", f"/gateway/tokens/{gone['id']}/revoke", token=reader_key)
        self.calls(tokens, channels)
        return {
            "administrator": administrator,
            "member": "reader@example.com",
            "nobody_yet": "new@example.com",
            "password": PASSWORD,
            "team": team,
        }


def main(base: str, home: str) -> None:
    """Fill it, and say who can sign in. Refuses what may be somebody's: the password is in this
    file, and what it writes into the journal was never called.
    """
    if httpx.URL(base).host not in {"localhost", "127.0.0.1", "::1"}:
        sys.exit(f"{base} is not on this machine")
    key = (Path(home) / "admin.key").read_text().strip()
    with Seed(base.rstrip("/"), Path(home), key) as seed:
        if seed.call("GET", "/accounts/users")["total"]:
            sys.exit(f"{base} has people already: fill a fresh installation")
        print(json.dumps(seed.all()))


if __name__ == "__main__":
    main(*sys.argv[1:])
