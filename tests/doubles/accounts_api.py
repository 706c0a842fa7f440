"""The accounts' and the access module's API, for the pages: in memory, over HTTP, by the contract.

It knows one person at a time and believes every passkey. What a page must cope with can be asked
for: :attr:`AccountsDouble.refuse` answers the next calls of a path with a problem.
"""

import hashlib
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

COOKIE = "paifang"
PASSWORD = "correct horse battery staple"
CODE = "123456"
ACCESS_SECONDS = 600
_TEXT = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SECRET = {"secret": _TEXT, "uri": f"otpauth://totp/Paifang:mei?secret={_TEXT}"}


def problem(status: int, code: str, detail: str = "", **more: Any) -> JSONResponse:
    """A refusal as the API writes it."""
    body = {
        "type": "about:blank",
        "title": code,
        "status": status,
        "code": code,
        "detail": detail or f"refused: {code}",
        "request_id": secrets.token_hex(16),
        **more,
    }
    headers = {"retry-after": "30"} if status == 429 else {}
    return JSONResponse(body, status, headers, "application/problem+json")


def weak(message: str) -> JSONResponse:
    """What a password that is too short gets."""
    return problem(
        422, "weak_password", message, errors=[{"field": "password", "message": message}]
    )


@dataclass
class AccountsDouble:
    """What it knows, for tests to set and look at."""

    policy: dict[str, Any] = field(
        default_factory=lambda: {
            "registration": "open",
            "mail": True,
            "insecure": False,
            "passkeys": True,
            "providers": [{"id": "github", "name": "GitHub"}],
            "challenge": True,
            "password_length": 15,
            "setup": False,
        }
    )
    profile: dict[str, Any] = field(
        default_factory=lambda: {
            "id": "0198c0de-0000-7000-8000-000000000001",
            "email": "mei@example.org",
            "display_name": "A Reader",
            "locale": "en",
            "avatar": None,
            "phone": None,
            "email_verified_at": "2026-11-01T08:00:00Z",
            "created_at": "2026-11-01T08:00:00Z",
            "department_id": None,
            "has_password": True,
            "factors": [],
        }
    )
    password: str = PASSWORD
    permissions: list[str] = field(default_factory=lambda: ["accounts.self:use"])
    administrator: bool = False
    menu: list[dict[str, Any]] = field(default_factory=list)
    passkeys: list[dict[str, Any]] = field(default_factory=list)
    identities: list[dict[str, Any]] = field(default_factory=list)
    totp: bool = False
    recovery_codes: int = 0
    needs_factor: bool = False
    """Whether nobody comes in without a second factor."""
    arrived: Response | dict[str, Any] | None = None
    """What came of a trip to another service."""
    sessions: list[dict[str, Any]] = field(default_factory=list)
    reauthenticate: bool = False
    """Whether the next sensitive call asks for it."""
    access_seconds: int = ACCESS_SECONDS
    refuse: dict[str, deque[Any]] = field(default_factory=dict)
    """By path: answers for the next calls."""
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    cookies: set[str] = field(default_factory=set)
    tickets: set[str] = field(default_factory=set)

    def end(self) -> None:
        """Every session is over, as when an administrator ends them."""
        self.tokens.clear()
        self.cookies.clear()

    def expire(self) -> None:
        """Every access token is too old; the cookies are still good."""
        self.tokens.clear()

    def grant(self, **more: Any) -> Response:
        """A session: a token in the body and a cookie."""
        token, cookie = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self.tokens.add(token)
        self.cookies.add(cookie)
        names = ("id", "email", "display_name", "locale", "avatar")
        body = {
            "access_token": token,
            "expires_in": self.access_seconds,
            "user": {name: self.profile[name] for name in names},
            **more,
        }
        response = JSONResponse(body)
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="lax", path="/")
        return response

    def ticket(self) -> dict[str, Any]:
        """One more step: a factor to show, or to set up where there is none."""
        ticket = secrets.token_urlsafe(16)
        self.tickets.add(ticket)
        if self.totp:
            return {"ticket": ticket, "factors": ["totp", "recovery_code"], "set_up": False}
        return {"ticket": ticket, "factors": ["totp", "passkey"], "set_up": True}

    def set_up(self) -> list[str]:
        """An authenticator app is there; its first recovery codes."""
        self.totp, self.recovery_codes = True, 10
        return [f"{n}a2b-{n}c3d-{n}e4f" for n in range(10)]

    def challenge(self) -> dict[str, Any]:
        """A small proof of work."""
        salt = f"{secrets.token_hex(6)}?expires={int(time.time()) + 600}&"
        number = secrets.randbelow(2_000)
        digest = hashlib.sha256(f"{salt}{number}".encode()).hexdigest()
        return {
            "algorithm": "SHA-256",
            "challenge": digest,
            "maxnumber": 2_000,
            "salt": salt,
            "signature": "signed",
        }


async def _body(request: Request) -> Any:
    raw = await request.body()
    if not raw or "json" not in request.headers.get("content-type", ""):
        return None
    return await request.json()


def accounts_router(double: AccountsDouble) -> APIRouter:  # noqa: C901  # a table of small answers
    """Its routes."""
    router = APIRouter(prefix="/api/v1")

    async def meet(request: Request, *, inside: bool, sensitive: bool = False) -> Any:
        """Note the call; a refusal, or its body."""
        path = request.url.path.removeprefix("/api/v1")
        body = await _body(request)
        double.calls.append((request.method, path, body))
        if waiting := double.refuse.get(path):
            return waiting.popleft()
        if inside:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if token not in double.tokens:
                return problem(401, "session_ended")
        if sensitive and double.reauthenticate:
            return problem(403, "reauthentication_required")
        return body

    @router.get("/auth/policy")
    async def policy(request: Request) -> Any:
        met = await meet(request, inside=False)
        return met if isinstance(met, Response) else double.policy

    @router.get("/auth/challenge")
    async def challenge(request: Request) -> Any:
        await meet(request, inside=False)
        return double.challenge()

    @router.post("/auth/sign-in")
    async def sign_in(request: Request) -> Any:
        met = await meet(request, inside=False)
        if isinstance(met, Response):
            return met
        if (met["email"], met["password"]) != (double.profile["email"], double.password):
            return problem(401, "wrong_credentials")
        if double.totp or double.needs_factor:
            return double.ticket()
        return double.grant()

    @router.post("/auth/sign-in/totp")
    @router.post("/auth/sign-in/recovery-code")
    async def second(request: Request) -> Any:
        met = await meet(request, inside=False)
        if isinstance(met, Response):
            return met
        if met["ticket"] not in double.tickets or met["code"] != CODE:
            return problem(400, "wrong_code")
        return double.grant()

    @router.post("/auth/sign-in/totp/set-up")
    async def first(request: Request) -> Any:
        met = await meet(request, inside=False)
        return met if isinstance(met, Response) else SECRET

    @router.post("/auth/sign-in/totp/confirm")
    async def confirm_first(request: Request) -> Any:
        met = await meet(request, inside=False)
        if isinstance(met, Response):
            return met
        if met["ticket"] not in double.tickets or met["code"] != CODE:
            return problem(400, "wrong_code")
        codes = double.set_up()
        return double.grant(recovery_codes=codes)

    @router.post("/auth/oidc/finish")
    async def finish(request: Request) -> Any:
        met = await meet(request, inside=False)
        if isinstance(met, Response):
            return met
        return double.arrived or problem(400, "identity_refused")

    @router.post("/auth/passkeys/options")
    @router.post("/account/passkeys/options")
    async def options(request: Request) -> Any:
        inside = "/account/" in request.url.path
        met = await meet(request, inside=inside, sensitive=inside)
        if isinstance(met, Response):
            return met
        common = {"challenge": "AAECAwQFBgcICQoLDA0ODw", "timeout": 60_000}
        if not inside:
            return {
                "challenge_id": "one",
                "options": {**common, "rpId": "localhost", "userVerification": "required"},
            }
        return {
            "challenge_id": "two",
            "options": {
                **common,
                "rp": {"id": "localhost", "name": "Paifang"},
                "user": {"id": "bWVp", "name": "mei@example.org", "displayName": "A Reader"},
                "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in (-7, -257)],
                "excludeCredentials": [],
                "authenticatorSelection": {
                    "residentKey": "required",
                    "userVerification": "required",
                },
            },
        }

    @router.post("/auth/passkeys/sign-in")
    async def by_passkey(request: Request) -> Any:
        met = await meet(request, inside=False)
        known = {each["credential"] for each in double.passkeys}
        if isinstance(met, Response):
            return met
        if met["credential"]["id"] not in known:
            return problem(400, "passkey_refused")
        return double.grant()

    @router.post("/auth/sign-up")
    @router.post("/auth/verify/resend")
    @router.post("/auth/password/forgot")
    async def asked(request: Request) -> Any:
        met = await meet(request, inside=False)
        if isinstance(met, Response):
            return met
        if double.policy["challenge"] and not met.get("challenge"):
            return problem(403, "challenge_required", challenge=double.challenge())
        if len(met.get("password", PASSWORD)) < 15:
            return weak("use at least 15 characters")
        return JSONResponse({"next": "mail"}, 202)

    @router.post("/auth/verify")
    @router.post("/auth/setup")
    async def enter(request: Request) -> Any:
        met = await meet(request, inside=False)
        if isinstance(met, Response):
            return met
        if met["token"] != "good":
            return problem(404, "link_over")
        return double.grant()

    @router.post("/auth/password/reset")
    @router.post("/auth/email/confirm")
    @router.post("/auth/email/keep")
    async def by_link(request: Request) -> Any:
        met = await meet(request, inside=False)
        if isinstance(met, Response):
            return met
        if met["token"] != "good":
            return problem(404, "link_over")
        if len(met.get("password", PASSWORD)) < 15:
            return weak("use at least 15 characters")
        return Response(status_code=204)

    @router.post("/auth/refresh")
    async def refresh(request: Request) -> Any:
        met = await meet(request, inside=False)
        if isinstance(met, Response):
            return met
        if request.cookies.get(COOKIE) not in double.cookies:
            return problem(401, "session_ended")
        return double.grant()

    @router.post("/auth/sign-out")
    async def sign_out(request: Request) -> Any:
        await meet(request, inside=False)
        double.end()
        return Response(status_code=204)

    @router.get("/access/me")
    async def me(request: Request) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        return {
            "permissions": double.permissions,
            "scopes": {},
            "administrator": double.administrator,
        }

    @router.get("/access/menu")
    async def menu(request: Request) -> Any:
        met = await meet(request, inside=True)
        return met if isinstance(met, Response) else double.menu

    account(router, double, meet)
    return router


def account(router: APIRouter, double: AccountsDouble, meet: Any) -> None:  # noqa: C901  # the same
    """The routes about oneself."""

    @router.get("/account")
    async def profile(request: Request) -> Any:
        met = await meet(request, inside=True)
        return met if isinstance(met, Response) else double.profile

    @router.patch("/account")
    async def change(request: Request) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        double.profile.update(met)
        return double.profile

    @router.delete("/account")
    async def delete(request: Request) -> Any:
        met = await meet(request, inside=True, sensitive=True)
        if isinstance(met, Response):
            return met
        double.end()
        return Response(status_code=204)

    @router.put("/account/avatar")
    async def avatar(request: Request) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        double.profile["avatar"] = "/static/mark.svg"
        return double.profile

    @router.delete("/account/avatar")
    async def no_avatar(request: Request) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        double.profile["avatar"] = None
        return Response(status_code=204)

    @router.post("/account/password")
    @router.post("/account/email")
    async def sensitive(request: Request) -> Any:
        met = await meet(request, inside=True, sensitive=True)
        if isinstance(met, Response):
            return met
        if "password" in met:
            if len(met["password"]) < 15:
                return weak("use at least 15 characters")
            double.password = met["password"]
        return Response(status_code=204)

    @router.post("/account/reauthenticate")
    async def reauthenticate(request: Request) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        if met.get("password") != double.password and met.get("code") != CODE:
            return problem(400, "wrong_proof")
        double.reauthenticate = False
        return {"until": "2026-11-30T10:00:00Z"}

    @router.get("/account/factors")
    async def factors(request: Request) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        return {
            "password": double.profile["has_password"],
            "totp_since": "2026-11-30T08:00:00Z" if double.totp else None,
            "passkeys": len(double.passkeys),
            "identities": len(double.identities),
            "recovery_codes_left": double.recovery_codes,
            "methods": ["totp", "recovery_code"] if double.totp else [],
            "required": double.needs_factor,
        }

    @router.get("/account/sessions")
    async def sessions(request: Request) -> Any:
        met = await meet(request, inside=True)
        return met if isinstance(met, Response) else double.sessions

    @router.delete("/account/sessions")
    @router.delete("/account/sessions/{session_id}")
    async def end(request: Request, session_id: str | None = None) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        double.sessions = [
            each
            for each in double.sessions
            if each["current"] or session_id not in {None, each["id"]}
        ]
        return Response(status_code=204)

    @router.get("/account/export")
    async def export(request: Request) -> Any:
        met = await meet(request, inside=True, sensitive=True)
        return met if isinstance(met, Response) else {"profile": double.profile}

    @router.post("/account/totp")
    async def totp(request: Request) -> Any:
        met = await meet(request, inside=True, sensitive=True)
        if isinstance(met, Response):
            return met
        return SECRET

    @router.post("/account/totp/confirm")
    @router.post("/account/recovery-codes")
    async def confirm(request: Request) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        if met is not None and met["code"] != CODE:
            return problem(400, "wrong_code")
        return {"recovery_codes": double.set_up()}

    @router.delete("/account/totp")
    async def no_totp(request: Request) -> Any:
        met = await meet(request, inside=True, sensitive=True)
        if isinstance(met, Response):
            return met
        double.totp, double.recovery_codes = False, 0
        return Response(status_code=204)

    @router.get("/account/passkeys")
    async def passkeys(request: Request) -> Any:
        met = await meet(request, inside=True)
        return met if isinstance(met, Response) else double.passkeys

    @router.post("/account/passkeys")
    async def add(request: Request) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        made = {
            "id": str(len(double.passkeys)),
            "name": met["name"],
            "created_at": "2026-11-30T08:00:00Z",
            "used_at": None,
            "synced": False,
            "backed_up": False,
            "transports": ["internal"],
            "credential": met["credential"]["id"],
        }
        double.passkeys.append(made)
        return JSONResponse({"passkey": made, "recovery_codes": None}, 201)

    @router.patch("/account/passkeys/{passkey_id}")
    async def rename(request: Request, passkey_id: str) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        (found,) = [each for each in double.passkeys if each["id"] == passkey_id]
        found["name"] = met["name"]
        return found

    @router.delete("/account/passkeys/{passkey_id}")
    async def remove(request: Request, passkey_id: str) -> Any:
        met = await meet(request, inside=True, sensitive=True)
        if isinstance(met, Response):
            return met
        double.passkeys = [each for each in double.passkeys if each["id"] != passkey_id]
        return Response(status_code=204)

    @router.post("/account/identities")
    async def linked(request: Request) -> Any:
        met = await meet(request, inside=True)
        if isinstance(met, Response):
            return met
        made = {
            "id": "i1",
            "provider": "github",
            "issuer": "https://github.example",
            "label": "mei-on-github",
            "created_at": "2026-11-30T08:00:00Z",
            "used_at": None,
        }
        double.identities.append(made)
        return JSONResponse(made, 201)

    @router.get("/account/identities")
    async def identities(request: Request) -> Any:
        met = await meet(request, inside=True)
        return met if isinstance(met, Response) else double.identities
