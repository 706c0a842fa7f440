"""What the dialect makes of headers and errors."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from paifang.modules.gateway.relay.dialect import (
    answer_as_stream,
    channel_headers,
    read_answer_head,
    refuse_answer,
    refuse_error_object,
    refuse_failure,
    retry_seconds,
)
from paifang.modules.gateway.relay.meter import MalformedAnswerError
from paifang.modules.gateway.relay.snapshot import Channel
from paifang.modules.gateway.relay.upstream import UpstreamError

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"30"}, 30.0),
        ({b"retry-after": b"0.5"}, 0.5),
        ({b"retry-after": b"0"}, None),
        ({b"retry-after": b"-5"}, None),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b"9" * 400}, None),
        ({b"retry-after-ms": b"1500", b"retry-after": b"30"}, 1.5),
        ({b"retry-after-ms": b"soon", b"retry-after": b"30"}, 30.0),
        ({b"retry-after-ms": b"0", b"retry-after": b"30"}, 30.0),
        ({b"retry-after-ms": b"-1", b"retry-after": b"30"}, 30.0),
        ({b"retry-after-ms": b"inf", b"retry-after": b"30"}, 30.0),
        ({b"retry-after-ms": b"nan"}, None),
        ({b"retry-after-ms": b"0", b"retry-after": b"Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0),
        ({b"retry-after": b"99999999999"}, 3600.0),
        ({b"retry-after": b"9" * 300}, 3600.0),
        ({b"retry-after-ms": b"9" * 300}, 3600.0),
        ({b"retry-after": b"Tue, 14 Nov 2090 22:14:20 GMT"}, 3600.0),
        ({b"retry-after": b"Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0),
        ({b"retry-after": b"Tue, 14 Nov 2023 22:12:20 GMT"}, None),
        ({b"retry-after": b"Tue, 99 Nov 2023 22:12:20 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers, seconds):
    assert format_datetime(datetime.fromtimestamp(NOW, UTC), usegmt=True).endswith("22:13:20 GMT")
    assert retry_seconds(list(headers.items()), NOW) == seconds


def test_a_channels_own_headers_win():
    made = Channel(
        "c", "c", "openai", "http://x/v1", headers={"api-key": "k", "Authorization": "Key z"}
    )
    headers = dict(channel_headers(made, "secret", stream=True))
    assert headers[b"authorization"] == b"Key z"
    assert headers[b"api-key"] == b"k"
    assert headers[b"accept"] == b"text/event-stream"
    assert headers[b"accept-encoding"] == b"identity"
    assert b"authorization" not in dict(
        channel_headers(Channel("c", "c", "o", "u"), "", stream=False)
    )


def test_only_listed_headers_of_an_answer_pass():
    headers = [
        (b"set-cookie", b"a=b"),
        (b"x-ratelimit-limit-requests", b"5"),
        (b"transfer-encoding", b"chunked"),
        (b"openai-organization", b"ours"),
        (b"openai-processing-ms", b"12"),
        (b"openai-version", b"2020\x01"),
    ]
    assert read_answer_head(headers).block == (
        b"content-type: application/json\r\ncache-control: no-store\r\nopenai-processing-ms: 12\r\n"
    )


@pytest.mark.parametrize(
    ("headers", "kind", "encoding"),
    [
        ([], b"application/json", b""),
        ([(b"content-type", b"text/event-stream; x")], b"text/event-stream; x", b""),
        ([(b"content-type", b"a\x01b")], b"application/json", b""),
        ([(b"content-encoding", b"Identity")], b"application/json", b""),
        (
            [(b"content-encoding", b"identity"), (b"content-encoding", b"GZIP")],
            b"application/json",
            b"gzip",
        ),
    ],
)
def test_what_is_read_of_the_head_of_an_answer(headers, kind, encoding):
    head = read_answer_head(headers)
    assert (head.kind, head.encoding) == (kind, encoding)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("connect", 502),
        ("tls", 502),
        ("timeout_connect", 504),
        ("timeout_first_byte", 504),
        ("timeout_idle", 504),
        ("reset", 502),
        ("protocol", 502),
        ("too_large", 502),
    ],
)
def test_every_failure_has_a_status_and_hides_the_host(kind, status):
    refusal = refuse_failure(UpstreamError(kind, "no connection to 10.0.0.7", sent=False), "m")
    assert (refusal.status, refusal.blame, refusal.retry) == (status, "upstream", True)
    assert b"10.0.0.7" not in refusal.body()


def test_an_upstreams_error_passes_word_for_word():
    body = b'{"error": {"message": "too hot", "type": "t", "param": "temperature", "code": "hot"}}'
    refusal = refuse_answer(422, [(b"retry-after", b"3")], body, "m", NOW)
    assert (refusal.status, refusal.code, refusal.retry) == (422, "hot", False)
    assert refusal.body() == body
    assert refusal.headers == ((b"retry-after", b"3"),)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"detail": "no"}', b'{"error": null}'])
def test_an_error_in_another_shape_is_put_into_ours(body):
    refusal = refuse_answer(422, (), body, "m", NOW)
    assert json.loads(refusal.body())["error"] == {
        "message": "The upstream of the model 'm' answered with the status 422.",
        "type": "upstream_error",
        "param": None,
        "code": "upstream_error",
    }


def test_an_error_that_is_only_a_text_keeps_its_words():
    refusal = refuse_answer(404, (), b'{"error": "model not found, pull it first"}', "m", NOW)
    assert json.loads(refusal.body())["error"]["message"] == "model not found, pull it first"


@pytest.mark.parametrize("headers", [(), [(b"retry-after", b"7")]])
def test_a_rate_limit_of_our_account_is_told_in_our_words(headers):
    error = {"message": "Rate limit reached in organization org-secret", "code": "tokens"}
    body = json.dumps({"error": error}).encode()
    refusal = refuse_answer(429, headers, body, "m", NOW)
    assert (refusal.status, refusal.code, refusal.retry) == (429, "upstream_rate_limited", True)
    assert b"org-secret" not in refusal.body() + refusal.event()
    told = json.loads(refusal.body())["error"]
    assert (told["code"], told["type"]) == ("upstream_rate_limited", "rate_limit_error")
    assert refusal.headers == tuple(headers)
    assert ("Try again in 7 s." in told["message"]) == bool(headers)


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        ("context_length_exceeded", "context_length_exceeded"),
        ("InvalidParameter", "invalidparameter"),
        ("a" * 64, "a" * 64),
        ("a" * 65, "other"),
        ("a b", "other"),
        ('x"} 1\n', "other"),
        ("\u4f60", "other"),
    ],
)
def test_only_plain_words_are_error_codes(stated, code):
    error = {"message": "no", "type": "t", "param": None, "code": stated}
    body = json.dumps({"error": error}).encode()
    refusal = refuse_answer(400, (), body, "m", NOW)
    assert (refusal.code, refusal.foreign) == (code, True)
    assert refusal.body() == body


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"code": 1301}, {"code": "1301"}),
        ({"code": 4.5}, {"code": None}),
        ({"code": True}, {"code": None}),
        ({"code": {"a": 1}}, {"code": None}),
        ({"type": 7}, {"type": "7"}),
        ({"type": None}, {"type": "upstream_error"}),
        ({"param": ["a"]}, {"param": None}),
    ],
)
def test_a_field_of_another_kind_is_put_into_openais(change, told):
    right = {"message": "no", "type": "t", "param": None, "code": "c"}
    body = json.dumps({"error": right | change}).encode()
    refusal = refuse_answer(400, (), body, "m", NOW)
    assert json.loads(refusal.body())["error"] == right | told


def google(status: str, code: int = 400, reason: str = "") -> dict:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}, "odd"]
    return {"code": code, "message": "secret words", "status": status, "details": details}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (google("INVALID_ARGUMENT", reason="API_KEY_INVALID"), "upstream_auth_failed"),
        (google("FAILED_PRECONDITION"), "upstream_auth_failed"),
        (google("UNAUTHENTICATED"), "upstream_auth_failed"),
        (google("PERMISSION_DENIED"), "upstream_auth_failed"),
        (google("INVALID_ARGUMENT", reason="BILLING_DISABLED"), "upstream_quota_exhausted"),
        (google("RESOURCE_EXHAUSTED"), "upstream_rate_limited"),
        ({"type": "authentication_error", "message": "secret words"}, "upstream_auth_failed"),
        ({"type": "permission_error", "message": "secret words"}, "upstream_auth_failed"),
        ({"code": "401", "message": "secret words"}, "upstream_auth_failed"),
        ({"code": 402, "message": "secret words"}, "upstream_quota_exhausted"),
        ({"code": "429", "message": "secret words"}, "upstream_rate_limited"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_an_error_about_our_account_is_no_error_of_the_clients(error, code, wrapped):
    body = json.dumps([{"error": error}] if wrapped else {"error": error}).encode()
    for refusal in (
        refuse_answer(400, (), body, "m", NOW),
        refuse_error_object(error, "m", NOW),
    ):
        assert (refusal.code, refusal.blame, refusal.retry) == (code, "upstream", True)
        assert b"secret words" not in refusal.body()


@pytest.mark.parametrize(
    "error", [google("INVALID_ARGUMENT"), google("NOT_FOUND", 404), google("", reason="OTHER")]
)
def test_an_error_of_googles_about_the_request_is_told(error):
    refusal = refuse_answer(400, (), json.dumps([{"error": error}]).encode(), "m", NOW)
    assert (refusal.status, refusal.blame, refusal.retry) == (400, "answer", False)
    told = json.loads(refusal.body())["error"]
    assert (told["message"], told["code"]) == ("secret words", str(error["code"]))


@pytest.mark.parametrize(
    "error",
    [
        {"message": "the key sk/0123456789 is odd", "type": "t", "param": None, "code": "c"},
        {"message": "odd", "type": "t", "param": "sk/0123456789", "code": "c"},
        {"message": "odd", "details": [{"sk/0123456789": 1}], "code": "c"},
        {"message": "odd", "type": "sk/0123456789", "code": "c"},
        "the key sk/0123456789 is odd",
    ],
)
def test_words_with_our_credential_in_them_never_pass(error):
    for escape in (False, True):
        body = json.dumps({"error": error})
        body = body.replace("/", "\\/") if escape else body
        refusal = refuse_answer(500, (), body.encode(), "m", NOW, "sk/0123456789")
        told = json.loads(refusal.body())["error"]
        assert told["message"] == "The upstream of the model 'm' answered with the status 500."
        assert "0123456789" not in refusal.body().decode() + refusal.code
        assert not refusal.quoted
    assert refuse_answer(500, (), body.encode(), "m", NOW, "another-key").quoted


def test_an_error_that_is_nested_deeply_is_searched_all_the_same():
    body = b'{"error": {"message": "m", "x": ' + b"[" * 900 + b'"sk-0123456789"' + b"]" * 900
    refusal = refuse_answer(500, (), body + b"}}", "m", NOW, "sk-0123456789")
    assert not refusal.quoted


@pytest.mark.parametrize("choices", [5, None, {}, "text"])
def test_an_answer_without_a_list_of_choices_makes_no_stream(choices):
    with pytest.raises(MalformedAnswerError, match="choices"):
        answer_as_stream({"choices": choices}, "chat.completion.chunk", wants_usage=True)


def test_an_answer_that_cannot_be_written_again_makes_no_stream():
    deep: list = []
    for _ in range(300):
        deep = [deep]
    for data in ({"choices": [{"x": deep}]}, {"choices": [], "usage": {"x": deep}}):
        with pytest.raises(MalformedAnswerError, match="nested"):
            answer_as_stream(data, "chat.completion.chunk", wants_usage=True)


def test_an_error_that_is_nested_too_deeply_is_an_error_still():
    error: list = []
    for _ in range(600):
        error = [error]
    assert refuse_error_object({"message": error}, "m", NOW).status == 502


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"message": "x", "code": 429}, 429),
        ({"message": "x", "code": "server_error"}, 502),
        ({"message": "x", "status": 503}, 503),
        ({"message": "x", "code": 200}, 502),
        ({"message": "x", "code": 401}, 502),
        ("boom", 502),
        ([1], 502),
    ],
)
def test_an_error_inside_a_success_gets_the_status_it_states(error, status):
    refusal = refuse_error_object(error, "m", NOW)
    assert refusal.status == status
    assert refusal.retry
    json.loads(refusal.body())


def test_tool_calls_survive_the_way_from_an_answer_to_a_stream():
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    data = {
        "id": "x",
        "created": 5,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}, "odd"],
        "usage": {"prompt_tokens": 1},
    }
    events = answer_as_stream(data, "chat.completion.chunk", wants_usage=True).split(b"\n\n")
    piece, usage = (json.loads(event.removeprefix(b"data: ")) for event in events[:2])
    assert piece["choices"][0]["delta"]["tool_calls"] == [{"index": 0, **call}]
    assert piece["choices"][0]["finish_reason"] == "tool_calls"
    assert "message" not in piece["choices"][0]
    assert (usage["choices"], usage["usage"]) == ([], {"prompt_tokens": 1})
    assert events[2:] == [b"data: [DONE]", b""]


def test_the_relay_reaches_neither_sqlalchemy_nor_the_database():
    program = (
        "import sys, paifang.modules.gateway.relay.app;"
        "far = ('sqlalchemy', 'paifang.core.db', 'fastapi');"
        "bad = [m for m in sys.modules if m.startswith(far)];"
        "sys.exit(str(bad) if bad else 0)"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
