"""The keys of a request that decide: an upstream must read them as the relay does."""

import json

import pytest

from paifang.modules.gateway.relay.body import DECIDING, parse_request
from paifang.modules.gateway.relay.errors import Refusal

OPTIONS = b'{"include_usage":true}'


def sent(raw: bytes, model: str = "cheap") -> bytes:
    """What an upstream that calls the model the same gets."""
    return parse_request(raw, streams=True).body_for(model)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"dear","messages":[],"model":"cheap"}',
        b'{"model":"dear" ,"messages":[],"\\u006dodel":"cheap"}',
        b'{"\\u006Dodel":"dear","messages":[],"model":"cheap"}',
        b'{"\\u006d\\u006f\\u0064\\u0065\\u006c":"dear","messages":[],"model":"cheap"}',
        b'{"model":"cheap","n":100,"n":1}',
        b'{"model":"cheap","max_tokens":100000,"max_tokens":1}',
        b'{"model":"cheap","max\\u005ftokens":100000,"max_tokens":1}',
        b'{"model":"cheap","max_completion_tokens":9,"max_completion_tokens":1}',
        b'{"model":"cheap","best_of":9,"best_of":1}',
        b'{"model":"cheap","stream":true,"stream":false}',
        b'{"model":"cheap","stream":true,"stream_options":{},"stream_options":%b}' % OPTIONS,
        b'{"model":"cheap","stream":true,"stream_options":{"include_usage":false,%b}' % OPTIONS[1:],
    ],
)
def test_a_key_that_stands_twice_reaches_the_upstream_once(raw):
    body = sent(raw)
    for key in DECIDING | {"include_usage"}:
        assert body.count(b'"%b"' % key.encode()) <= 1
    assert b"dear" not in body
    assert b"\\u" not in body
    assert json.loads(body) == json.loads(raw)  # of two equal keys both take the last


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model": "cheap", "messages": [{"content": "say \\"model\\" and \\u4f60"}], "n":  1}',
        b'{ "model":"cheap","stream":true,"stream_options":{"include_usage":true} }',
        b'{"model":"cheap","messages":[{"content":"caf\\u00e9"}],"temperature":1.0}',
        b'{"model":"cheap","messages":[],"max_tokens":5}',
        b'{"model":"cheap","seed":123456789012345678901234567890,"temperature":1e0}',
    ],
)
def test_bytes_that_can_be_read_in_one_way_only_stay_as_they_are(raw):
    assert sent(raw) == raw


def test_bytes_in_doubt_are_written_anew_and_mean_the_same():
    raw = b'{"model":"cheap","tools":[{"properties":{"model":{}}}],"x":"\\u0061"}'
    assert json.loads(sent(raw)) == json.loads(raw)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("Model", "model"),
        ("MODEL", "model"),
        ("\u017ftream", "stream"),
        ("Stream_Options", "stream_options"),
        ("N", "n"),
        ("Best_of", "best_of"),
        ("Max_Tokens", "max_tokens"),
        ("max_completion_toKens", "max_completion_tokens"),
    ],
)
def test_a_key_in_another_case_is_refused_by_name(key, meant):
    raw = json.dumps({"model": "cheap", key: "dear"}).encode()
    with pytest.raises(Refusal) as caught:
        parse_request(raw, streams=True)
    assert (caught.value.status, caught.value.code) == (400, "invalid_value")
    assert caught.value.param == key
    assert repr(meant) in caught.value.message


def test_an_option_in_another_case_is_refused_by_name():
    options = {"include_usage": True, "Include_usage": False}
    raw = json.dumps({"model": "cheap", "stream": True, "stream_options": options}).encode()
    with pytest.raises(Refusal) as caught:
        parse_request(raw, streams=True)
    assert caught.value.param == "Include_usage"


@pytest.mark.parametrize("field", ["tools", "messages", "x"])
def test_a_body_that_is_nested_too_deeply_is_refused(field):
    raw = b'{"model":"cheap","%b":%b%b}' % (field.encode(), b"[" * 900, b"]" * 900)
    with pytest.raises(Refusal) as caught:
        sent(raw)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


def test_tools_that_are_nested_too_deeply_are_refused_before_they_are_counted():
    raw = b'{"model":"cheap","tools":' + b"[" * 900 + b"]" * 900 + b"}"
    with pytest.raises(Refusal):
        parse_request(raw, streams=True)


def test_a_long_conversation_is_not_a_deep_one():
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}] * 1000
    raw = json.dumps({"model": "cheap", "messages": messages}).encode()
    assert sent(raw) == raw


@pytest.mark.parametrize("options", [None, {"include_usage": True}, {"include_usage": False}])
def test_an_upstream_that_refuses_stream_options_gets_none(options):
    asked = {"model": "cheap", "stream": True, "messages": []}
    raw = json.dumps(asked if options is None else {**asked, "stream_options": options}).encode()
    request = parse_request(raw, streams=True)
    body = request.body_for("cheap", stream_options=False)
    assert json.loads(body) == asked
    if options is None:
        assert body == raw
    given = json.loads(request.body_for("cheap"))
    assert given == {**asked, "stream_options": {"include_usage": True}}
