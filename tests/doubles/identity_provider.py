"""A service that people sign in with: OpenID Connect and GitHub's API, over real HTTP.

It is a real one in what matters (codes count once, PKCE, redirect URIs and the client's secret are
checked, keys rotate), and on demand one that is broken or hostile: ``provider.faults``.

In a test: ``with IdentityProvider() as provider: ... provider.url``.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

CLIENT_ID = "paifang-client"
CLIENT_SECRET = "a client's secret: with / + and %"


@dataclass
class Somebody:
    """Who is signed in there."""

    subject: str = "4711"
    email: str | None = "ann@example.org"
    email_verified: Any = True
    name: str = "Ann"


@dataclass
class Granted:
    """What a code stands for."""

    person: Somebody
    asked: dict[str, str]


@dataclass
class IdentityProvider:
    """The service.

    Args:
        faults: What it does wrong, by name, each with how:

            ``nonce``, ``aud``, ``azp``, ``iss``, ``sub``, ``exp``, ``iat``, ``auth_time``: the
            claim (None: left out). ``alg``: ``none`` or ``HS256``. ``typ``: of the ID token.
            ``swapped``: signs with another key under the known key's id. ``kid``: of the ID
            token. ``iss_parameter``: in the answer to an authorization request (None: left out).
            ``error``: of the same. ``slow``: seconds at a path. ``status``, ``body``, ``location``:
            what a path answers. ``userinfo``: claims it tells. ``document``: fields of the
            discovery document. ``id_token``: leave it out when False.
    """

    faults: dict[str, Any] = field(default_factory=dict)
    person: Somebody = field(default_factory=Somebody)
    kind: str = "RS256"
    basic: bool = True
    email_in_token: bool = True
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths with their parameters, the first first."""

    def __post_init__(self) -> None:
        self.keys: list[Key] = []
        self.rotate()
        self._codes: dict[str, Granted] = {}
        self._tokens: dict[str, Somebody] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.issuer = self.url

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rotate(self) -> None:
        """From now on sign with a new key, and tell of no other."""
        kid = secrets.token_hex(4)
        if self.kind.startswith("ES"):
            self.keys = [ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})]
        else:
            self.keys = [RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})]

    def count(self, path: str) -> int:
        """How often a path was asked."""
        return sum(seen == path for seen, _ in self.seen)

    @contextlib.contextmanager
    def broken(self, **faults: Any) -> Iterator[None]:
        """Does wrong for a while."""
        self.faults = faults
        yield
        self.faults = {}

    # --- what it answers: status, headers, body ---

    def answer(
        self, method: str, path: str, values: dict[str, str], authorization: str
    ) -> tuple[int, dict[str, str], Any]:
        self.seen.append((path, values))
        time.sleep(self.faults.get("slow", {}).get(path, 0))
        for fault in ("status", "body", "location"):
            if path in self.faults.get(fault, {}):
                told = self.faults[fault][path]
                if fault == "location":
                    return 302, {"location": told}, {}
                return (told, {}, {}) if fault == "status" else (200, {}, told)
        routes = {
            "/.well-known/openid-configuration": self._document,
            "/jwks": self._jwks,
            "/authorize": self._authorize,
            "/token": self._token,
            "/userinfo": self._userinfo,
            "/login/oauth/authorize": self._authorize,
            "/login/oauth/access_token": self._github_token,
            "/api/v3/user": self._github_user,
            "/api/v3/user/emails": self._github_emails,
        }
        route = routes.get(path)
        return (404, {}, {}) if route is None else route(values, authorization)

    def _document(self, *_: Any) -> tuple[int, dict[str, str], Any]:
        methods = ["client_secret_basic"] if self.basic else ["client_secret_post"]
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "token_endpoint_auth_methods_supported": methods,
            "authorization_response_iss_parameter_supported": True,
        }
        return 200, {}, document | self.faults.get("document", {})

    def _jwks(self, *_: Any) -> tuple[int, dict[str, str], Any]:
        unknown = {"kty": "of-the-future", "kid": "f"}
        return 200, {}, {"keys": [unknown, *(k.as_dict(private=False) for k in self.keys)]}

    def _authorize(self, values: dict[str, str], _: str) -> tuple[int, dict[str, str], Any]:
        if values.get("client_id") != CLIENT_ID or values.get("response_type") != "code":
            return 400, {}, {"error": "invalid_request"}
        if len(values.get("code_challenge", "")) != 43 or len(values.get("state", "")) < 22:
            return 400, {}, {"error": "invalid_request"}
        back = {"state": values["state"]}
        if "error" in self.faults:
            back["error"] = self.faults["error"]
        else:
            back["code"] = secrets.token_urlsafe(16)
            self._codes[back["code"]] = Granted(self.person, values)
        iss = self.faults.get("iss_parameter", self.issuer)
        if iss is not None and "openid" in values.get("scope", ""):
            back["iss"] = iss
        return 302, {"location": f"{values['redirect_uri']}?{urlencode(back)}"}, {}

    def _grant(self, values: dict[str, str], authorization: str) -> Granted | str:
        """What a code stands for, or the error."""
        given = (values.get("client_id"), values.get("client_secret"))
        if authorization.startswith("Basic "):
            pair = base64.b64decode(authorization[6:]).decode().split(":", 1)
            given = (unquote(pair[0]), unquote(pair[1]))
        if given != (CLIENT_ID, CLIENT_SECRET):
            return "invalid_client"
        granted = self._codes.pop(values.get("code", ""), None)
        if granted is None:
            return "invalid_grant"
        digest = hashlib.sha256(values.get("code_verifier", "").encode()).digest()
        challenge = _b64(digest)
        if challenge != granted.asked["code_challenge"]:
            return "invalid_grant"
        if values.get("redirect_uri") != granted.asked["redirect_uri"]:
            return "invalid_grant"
        return granted

    def _token(self, values: dict[str, str], authorization: str) -> tuple[int, dict[str, str], Any]:
        if bool(authorization) is not self.basic:
            return 401, {}, {"error": "invalid_client"}
        granted = self._grant(values, authorization)
        if isinstance(granted, str):
            return 400, {}, {"error": granted}
        access_token = secrets.token_urlsafe(16)
        self._tokens[access_token] = granted.person
        body = {"access_token": access_token, "token_type": "Bearer", "expires_in": 300}
        if self.faults.get("id_token", True):
            body["id_token"] = self._id_token(granted)
        return 200, {}, body

    def _id_token(self, granted: Granted) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": granted.person.subject,
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": granted.asked.get("nonce"),
            "name": granted.person.name,
        }
        if "max_age" in granted.asked:
            claims["auth_time"] = now
        if self.email_in_token and granted.person.email:
            claims["email"] = granted.person.email
            claims["email_verified"] = granted.person.email_verified
        for name in ("nonce", "aud", "azp", "iss", "sub", "exp", "iat", "nbf", "auth_time"):
            if name in self.faults:
                claims[name] = self.faults[name]
        claims = {name: value for name, value in claims.items() if value is not None}
        return self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:
        algorithm = self.faults.get("alg", self.kind)
        header = {"alg": algorithm, "kid": self.faults.get("kid", self.keys[0].kid)}
        if "typ" in self.faults:
            header["typ"] = self.faults["typ"]
        key: Key = self.keys[0]
        text = ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
        if algorithm == "none":
            return f"{text}."
        if algorithm == "HS256":
            # The classic one: our public key, taken for a shared secret.
            mac = hmac.digest(key.as_pem(private=False), text.encode(), "sha256")
            return f"{text}.{_b64(mac)}"
        if self.faults.get("swapped"):
            key = RSAKey.generate_key(2048)
        return jwt.encode({k: v for k, v in header.items() if v}, claims, key, [algorithm])

    def _userinfo(self, _: Any, authorization: str) -> tuple[int, dict[str, str], Any]:
        person = self._tokens.get(authorization.removeprefix("Bearer "))
        if person is None:
            return 401, {}, {}
        claims = {
            "sub": person.subject,
            "email": person.email,
            "email_verified": person.email_verified,
        }
        return 200, {}, claims | self.faults.get("userinfo", {})

    def _github_token(
        self, values: dict[str, str], authorization: str
    ) -> tuple[int, dict[str, str], Any]:
        granted = self._grant(values, authorization)
        if isinstance(granted, str):
            return 200, {}, {"error": granted}  # GitHub's way
        access_token = secrets.token_urlsafe(16)
        self._tokens[access_token] = granted.person
        return 200, {}, {"access_token": access_token, "token_type": "bearer", "scope": ""}

    def _github_user(self, _: Any, authorization: str) -> tuple[int, dict[str, str], Any]:
        person = self._tokens.get(authorization.removeprefix("Bearer "))
        if person is None:
            return 401, {}, {}
        user = {"id": int(person.subject), "login": person.name.lower(), "name": person.name}
        return 200, {}, user | {"email": "shown@example.org"}

    def _github_emails(self, _: Any, authorization: str) -> tuple[int, dict[str, str], Any]:
        person = self._tokens.get(authorization.removeprefix("Bearer "))
        if person is None:
            return 401, {}, {}
        other = {"email": "old@example.org", "primary": False, "verified": True}
        first = {"email": person.email, "primary": True, "verified": person.email_verified}
        return 200, {}, [other, first]


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _handler(provider: IdentityProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            self._answer(self.rfile.read(length).decode())

        def _answer(self, body: str) -> None:
            url = urlsplit(self.path)
            values = dict(parse_qsl(body or url.query))
            status, headers, told = provider.answer(
                self.command, url.path, values, self.headers.get("authorization", "")
            )
            data = told if isinstance(told, bytes) else json.dumps(told).encode()
            with contextlib.suppress(OSError):  # the client may have left
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Handler
