"""Is an answer the upstream double's, through whatever proxy it came?"""

import json

import messages


def wrong(answer: bytes, *, kind: str, exact: bool) -> str:
    """What differs from the upstream's answer; empty when nothing does.

    Args:
        answer: The whole answer, head and body.
        kind: What was asked for, as in :class:`load.Order`.
        exact: Byte for byte. Otherwise text, model tokens, and the end of a stream are compared:
            for proxies that write JSON of their own.
    """
    body = answer[answer.find(b"\r\n\r\n") + 4 :]
    try:
        if kind == "json":
            return _wrong_json(body, exact=exact)
        return _wrong_stream(_unchunk(body), paced=kind == "paced", exact=exact)
    except (ValueError, LookupError, TypeError) as error:
        return f"not understood ({error!r}): {body[:600]!r}"


def _wrong_json(body: bytes, *, exact: bool) -> str:
    if body == messages.JSON_ANSWER:
        return ""
    if not exact and _said(body) == _said(messages.JSON_ANSWER):
        return ""
    return f"another body: {body[:600]!r}"


def _said(body: bytes) -> tuple[str, dict[str, int]]:
    found = json.loads(body)
    usage = {name: found["usage"][name] for name in messages.USAGE}
    return found["choices"][0]["message"]["content"], usage


def _wrong_stream(body: bytes, *, paced: bool, exact: bool) -> str:
    events = messages.PACED_EVENTS if paced else messages.STREAM_EVENTS
    expected = b"".join([*events, messages.DONE_EVENT])
    found = messages.unstamped(body) if paced else body
    if found == expected or (not exact and _told(found) == _told(expected)):
        return ""
    return f"another stream: {found[-600:]!r}"


def _told(stream: bytes) -> list[str]:
    """The texts of a stream's events."""
    *events, done, rest = stream.split(b"\n\n")
    if rest or done != b"data: [DONE]":
        raise ValueError("the stream does not end as it must")
    deltas = [
        choice["delta"] for event in events for choice in json.loads(event[6:]).get("choices", ())
    ]
    return [delta["content"] for delta in deltas if delta.get("content")]


def _unchunk(body: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        stop = body.index(b"\r\n", at)
        size = int(body[at:stop], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[stop + 2 : stop + 2 + size])
        at = stop + size + 4
