"""What the head of an answer must say, so that a browser does nothing with it that we do not mean.

``faults`` names what is wrong with one; the fuzzing of the API looks at every answer with it.
"""

import re
from collections.abc import Mapping, Sequence

YEAR = 31_536_000

CALLS = "/v1/"
"""What answers there is data for programs with a token, and each byte of it counts: it says nothing
of how a browser is to treat a page. What no answer may have is looked for there, too."""

PAGES = {
    "x-content-type-options": r"nosniff",
    "cross-origin-resource-policy": r"same-origin",
    "referrer-policy": r"same-origin|no-referrer|strict-origin",
    "x-frame-options": r"DENY",
    "cross-origin-opener-policy": r"same-origin",
    "permissions-policy": r".*\bcamera=\(\).*",
}
FORBIDDEN = {
    "server": "who serves is nobody's business",
    "x-powered-by": "the same",
    "access-control-allow-origin": "no other site's pages may read anything here",
    "access-control-allow-credentials": "the same",
}
KEPT = re.compile(
    r"no-cache|public, max-age=31536000, immutable|private, max-age=31536000, immutable"
)

Headers = Mapping[str, Sequence[str]]
"""By their names in lower case, each with its values."""


def faults(path: str, status: int, headers: Headers, *, https: bool) -> list[str]:
    """What is wrong with the head of an answer; nothing, if it is as it should be."""
    wrong = [f"{name} stands there {len(v)} times" for name, v in headers.items() if len(v) > 1]
    wrong = [text for text in wrong if not text.startswith("set-cookie ")]
    one = {name: values[0] for name, values in headers.items()}
    wrong += [f"{name}: {why}" for name, why in FORBIDDEN.items() if name in one]
    if path.startswith(CALLS):
        return wrong + [f"{name} on a call" for name in ("set-cookie",) if name in one]
    for name, pattern in PAGES.items():
        if not re.fullmatch(pattern, one.get(name, "")):
            wrong.append(f"{name}: {one.get(name)}")
    wrong += _of_policy(path, one.get("content-security-policy", ""))
    wrong += _of_keeping(path, status, one)
    wrong += _of_transport(one.get("strict-transport-security"), https=https)
    for cookie in headers.get("set-cookie", ()):
        wrong += cookie_faults(cookie, https=https)
    return wrong


def _of_policy(path: str, policy: str) -> list[str]:
    parts = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    wrong = [f"CSP: {word}" for word in ("unsafe", "*", "http:") if word in policy]
    if parts.get("default-src") != "'none'":
        wrong.append(f"CSP allows by default: {policy}")
    if "sandbox" in parts:
        return wrong  # a picture: it is nobody's page
    wrong += [
        f"CSP has no {name}: {policy}"
        for name in ("base-uri", "frame-ancestors")
        if parts.get(name) != "'none'"
    ]
    if parts.get("form-action") not in {"'none'", "'self'"}:
        wrong.append(f"CSP lets forms go anywhere: {policy}")
    if path.startswith("/api/") and {"script-src", "style-src"} & parts.keys():
        wrong.append(f"CSP of data lets something run: {policy}")
    return wrong


def _of_keeping(path: str, status: int, one: Mapping[str, str]) -> list[str]:
    keeping = one.get("cache-control", "")
    if keeping == "no-store":
        return []
    picture = path.startswith("/api/v1/avatars/") and status in {200, 304}
    page = not path.startswith(("/api/", "/metrics"))
    if (picture or page) and KEPT.fullmatch(keeping):
        return []
    return [f"cache-control: {keeping}"]


def _of_transport(said: str | None, *, https: bool) -> list[str]:
    if not https:
        return [] if said is None else ["HSTS where nobody comes by https"]
    found = re.fullmatch(r"max-age=(\d+); includeSubDomains", said or "")
    return [] if found and int(found[1]) >= YEAR else [f"HSTS: {said}"]


def cookie_faults(cookie: str, *, https: bool) -> list[str]:
    """What is wrong with a ``Set-Cookie``."""
    pair, *attributes = [part.strip() for part in cookie.split(";")]
    flags = dict(a.lower().partition("=")[::2] for a in attributes)
    name = pair.partition("=")[0]
    wrong = [f"{name} has no {flag}" for flag in ("httponly", "samesite") if flag not in flags]
    if flags.get("samesite") not in {"lax", "strict"}:
        wrong.append(f"{name} goes to other sites")
    if flags.get("path") != "/" or "domain" in flags:
        wrong.append(f"{name} is not of this host alone")
    if https and not (name.startswith("__Host-") and "secure" in flags):
        wrong.append(f"{name} may go in the clear")
    if not https and (name.startswith("__Host-") or "secure" in flags):
        wrong.append(f"{name} is taken by no browser over plain HTTP")
    return wrong
