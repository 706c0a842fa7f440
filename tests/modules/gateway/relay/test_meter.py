"""Usage, estimates, prices, and reading streams."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paifang.modules.gateway.relay.meter import (
    MAX_COST,
    PARSE_WHOLE,
    MalformedAnswerError,
    cost_of,
    estimate_answer,
    price_at,
    read_answer,
)
from paifang.modules.gateway.relay.record import Usage
from paifang.modules.gateway.relay.snapshot import Price
from paifang.modules.gateway.relay.usage import MAX_COUNT, TextCount, estimate_prompt, usage_from


@pytest.mark.parametrize(
    ("numbers", "usage"),
    [
        # OpenAI
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(36, 64, 0, 30, 20),
        ),
        # DeepSeek
        (
            {
                "prompt_tokens": 17,
                "completion_tokens": 9,
                "total_tokens": 26,
                "prompt_cache_hit_tokens": 10,
                "prompt_cache_miss_tokens": 7,
            },
            Usage(7, 10, 0, 9, 0),
        ),
        # reasoning beside completion_tokens, told
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 115,
                "completion_tokens_details": {"reasoning_tokens": 100},
            },
            Usage(10, 0, 0, 5, 100),
        ),
        # reasoning beside completion_tokens, in the total alone
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40},
            Usage(10, 0, 0, 5, 25),
        ),
        # a cache that is written
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 30},
            },
            Usage(50, 20, 30, 1, 0),
        ),
        # embeddings
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(8)),
        ({"total_tokens": 8}, Usage(8)),
        # nonsense
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": -3,
                "prompt_tokens_details": {"cached_tokens": 9},
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            Usage(0, 5, 0, 0, 0),
        ),
        (
            {
                "prompt_tokens": 5.0,
                "completion_tokens": "7",
                "prompt_tokens_details": None,
                "completion_tokens_details": [],
            },
            Usage(5),
        ),
        ({"prompt_tokens": 10**30, "completion_tokens": True}, Usage(MAX_COUNT)),
        ({"prompt_tokens": float("inf"), "completion_tokens": 2}, Usage(0, 0, 0, 2)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({}, None),
        (None, None),
        ([1], None),
    ],
)
def test_usage_is_read_into_disjoint_buckets(numbers, usage):
    assert usage_from(numbers) == usage


counts = st.none() | st.integers(-5, 300) | st.floats(allow_nan=True) | st.text(max_size=2)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "prompt_tokens": counts,
            "completion_tokens": counts,
            "total_tokens": counts,
            "prompt_cache_hit_tokens": counts,
            "prompt_tokens_details": st.none()
            | st.fixed_dictionaries({"cached_tokens": counts, "cache_write_tokens": counts}),
            "completion_tokens_details": st.none()
            | st.fixed_dictionaries({"reasoning_tokens": counts}),
        },
    )
)
def test_buckets_are_never_negative_and_add_up(numbers):
    usage = usage_from(numbers)
    if usage is None:
        return
    prompt = usage.input + usage.cached_input + usage.cache_write
    assert min(usage.input, usage.cached_input, usage.cache_write) >= 0
    assert min(usage.output, usage.reasoning) >= 0
    told = numbers.get("prompt_tokens")
    if type(told) is int and told > 0:
        assert prompt == told


def test_text_is_estimated_by_its_script():
    english, chinese = TextCount(), TextCount()
    english.add("a" * 9)
    chinese.add("牌坊是門")
    assert english.tokens == 3
    assert chinese.tokens == 4


@given(st.text(), st.data())
def test_the_pieces_of_a_text_count_as_the_whole(text, data):
    cut = data.draw(st.integers(0, len(text)))
    whole, pieces = TextCount(), TextCount()
    whole.add(text)
    pieces.add(text[:cut])
    pieces.add(text[cut:])
    assert whole.tokens == pieces.tokens


def test_prompts_of_every_kind_are_estimated():
    assert estimate_prompt({"prompt": "a" * 40}) == 10
    assert estimate_prompt({"prompt": [1, 2, 3]}) == 3
    assert estimate_prompt({"input": ["a" * 8, "b" * 8]}) == 4
    assert estimate_prompt({"input": [[1, 2], [3]]}) == 3
    parts = [{"type": "text", "text": "a" * 40}, {"type": "image_url", "image_url": {"url": "x"}}]
    assert estimate_prompt({"messages": [{"role": "user", "content": parts}]}) == 4 + 10 + 256
    assert estimate_prompt({"messages": [None, {"content": 5}], "prompt": {}}) == 4


def test_an_answer_without_numbers_is_estimated():
    body = {"choices": [{"message": {"content": "b" * 20, "reasoning_content": "c" * 8}}]}
    usage = estimate_answer({"prompt": "a" * 40}, read_answer(json.dumps(body).encode()))
    assert usage == Usage(10, 0, 0, 5, 2, estimated=True)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b'{"a": '])
def test_an_answer_must_be_a_json_object(body):
    with pytest.raises(MalformedAnswerError):
        read_answer(body)


def test_usage_is_found_in_a_large_answer_without_parsing_it():
    vectors = [{"embedding": [0.123456789] * 1000, "text": 'says "usage": {'} for _ in range(40)]
    usage = {"prompt_tokens": 12, "total_tokens": 12}
    for body in ({"data": vectors, "usage": usage}, {"usage": usage, "data": vectors}):
        raw = json.dumps(body).encode()
        assert len(raw) > PARSE_WHOLE
        answer = read_answer(raw)
        assert answer.data is None
        assert answer.usage == Usage(12)
    with pytest.raises(MalformedAnswerError):
        read_answer(raw[:-1])


def test_a_large_answer_without_usage_is_parsed_and_estimated():
    text = "b" * (PARSE_WHOLE + 4)
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": None}
    answer = read_answer(json.dumps(body).encode())
    assert answer.usage is None
    assert estimate_answer({"prompt": "a" * 40}, answer).output == len(text) // 4
    with pytest.raises(MalformedAnswerError):
        read_answer(json.dumps(body).encode()[:-2] + b"}")


def test_an_error_in_a_large_answer_is_found():
    body = {"error": {"message": "b" * PARSE_WHOLE}}
    assert read_answer(json.dumps(body).encode()).error == body["error"]


@pytest.mark.parametrize("where", [0, 1])
@pytest.mark.parametrize(
    "error", [{"error": {"message": "no", "code": 503}}, {"object": "error", "message": "no"}]
)
def test_an_error_in_a_large_answer_with_usage_is_found(error, where):
    rest = {"pad": "x" * PARSE_WHOLE, "usage": {"prompt_tokens": 5, "completion_tokens": 5}}
    body = rest | error if where else error | rest
    assert read_answer(json.dumps(body).encode()).error


def test_a_large_answer_is_read_whole_where_that_is_wanted_and_not_for_an_error_that_is_none():
    body = {"pad": "x" * PARSE_WHOLE, "usage": {"prompt_tokens": 5}, "error": None}
    raw = json.dumps(body).encode()
    assert read_answer(raw).data is None
    assert read_answer(raw, whole=True).data == body


def test_usage_is_looked_for_in_few_places():
    unit = b'"usage":{'
    hostile = b'{"x":' + unit * (8 * 1024 * 1024 // len(unit)) + b"}"
    began = time.process_time()
    with pytest.raises(MalformedAnswerError):
        read_answer(hostile)
    assert time.process_time() - began < 1  # it took half a minute


def test_an_absurdly_long_number_is_no_usage():
    vectors = [0.5] * 100_000
    usage = {"prompt_tokens": 7}
    raw = json.dumps({"usage": usage, "data": vectors}).encode()[:-1]
    raw += b', "usage": {"prompt_tokens": ' + b"9" * 6000 + b"}}"
    assert read_answer(raw).usage == Usage(7)


def test_tools_count_into_a_prompt_by_their_text():
    tools = [{"type": "function", "function": {"name": "f" * 400, "description": "你好"}}]
    assert 100 < estimate_prompt({"tools": tools}) < 130


def test_the_price_of_the_moment_holds():
    prices = {"m": (Price("new", 200.0), Price("old", 100.0))}
    assert price_at(prices, "m", 99.9) is None
    assert price_at(prices, "m", 199.9).id == "old"
    assert price_at(prices, "m", 200.0).id == "new"
    assert price_at(prices, "other", 200.0) is None


def test_cost_is_rounded_once_on_the_sum_half_up():
    price = Price("p", 0, input=300_000, output=200_000, request=7)
    assert cost_of(Usage(input=1), price) == 7  # 0.3
    assert cost_of(Usage(input=1, output=1), price) == 8  # 0.5
    assert cost_of(Usage(input=1_000_000, output=1_000_000), price) == 500_007


def test_every_bucket_has_its_price():
    price = Price("p", 0, 10**6, 2 * 10**6, 3 * 10**6, 4 * 10**6, 5 * 10**6)
    assert cost_of(Usage(1, 10, 100, 1000, 10000), price) == 1 + 20 + 300 + 4000 + 50000


def test_an_absurd_cost_stays_a_number_that_can_be_stored():
    assert cost_of(Usage(MAX_COUNT), Price("p", 0, input=10**18)) == MAX_COST
