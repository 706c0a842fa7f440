"""What is charged and told for a call; through the relay it is tested with what is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paifang.core.limits import Limiter
from paifang.modules.gateway.relay.admission import Admission, Admitted
from paifang.modules.gateway.relay.auth import Caller
from paifang.modules.gateway.relay.body import Request
from paifang.modules.gateway.relay.errors import Refusal
from paifang.modules.gateway.relay.meter import cost_of, estimate_cost
from paifang.modules.gateway.relay.plan import Plan
from paifang.modules.gateway.relay.record import Usage
from paifang.modules.gateway.relay.snapshot import Group, Limits, Price, Snapshot, Token
from paifang.modules.gateway.relay.usage import estimate_prompt

PROMPT = 8
"""Model tokens that :data:`DATA` is estimated at."""
DATA = {"model": "m", "messages": [{"role": "user", "content": "sixteen letters."}]}
PRICE = Price("p", 0.0, input=1_000_000_000, output=2_000_000_000, request=5)


def request(data: dict[str, Any] = DATA) -> Request:
    return Request(b"", data, "m", False, False)


def caller(key: Limits, group: Limits, **fields: Any) -> Caller:
    owner = Group("g", limits=group)
    return Caller(owner, Token(id="t", name="n", group=owner, limits=key, **fields))


def admission(who: Caller) -> Admission:
    made = Admission(Limiter())
    tokens = {} if who.token is None else {b"k": who.token}
    made.use(Snapshot(tokens=tokens, groups={who.group.id: who.group}))
    return made


def admit(made: Admission, who: Caller, data: dict[str, Any] = DATA) -> Admitted:
    found = made.admit(who, request(data), PRICE)
    assert found is not None
    return found


def test_all_limits_are_told_as_lines_that_can_be_sent_as_they_are() -> None:
    who = caller(Limits(60, 600, 5), Limits(120, 60_000, 9))
    assert admit(admission(who), who).header_block == (
        b'ratelimit-policy: "key-rpm";q=60;w=60, "key-tpm";q=600;w=60, "group-rpm";q=120;w=60, '
        b'"group-tpm";q=60000;w=60, "key-concurrency";q=5;qu="concurrent-requests", '
        b'"group-concurrency";q=9;qu="concurrent-requests"\r\n'
        b'ratelimit: "key-rpm";r=59;t=1, "key-tpm";r=592;t=1, "group-rpm";r=119;t=1, '
        b'"group-tpm";r=59992;t=1, "key-concurrency";r=4, "group-concurrency";r=8\r\n'
        b"x-ratelimit-limit-requests: 60\r\n"
        b"x-ratelimit-remaining-requests: 59\r\n"
        b"x-ratelimit-reset-requests: 1.000s\r\n"
        b"x-ratelimit-limit-tokens: 600\r\n"
        b"x-ratelimit-remaining-tokens: 592\r\n"
        b"x-ratelimit-reset-tokens: 0.800s\r\n"
    )


@pytest.mark.parametrize("requests_of", ["key", "group"])
@pytest.mark.parametrize("tokens_of", ["key", "group"])
def test_openais_headers_tell_of_a_key_and_its_group_the_one_with_less_left(
    requests_of: str, tokens_of: str
) -> None:
    less, more = 10, 20
    key = Limits(less if requests_of == "key" else more, 100 if tokens_of == "key" else 200)
    group = Limits(less if requests_of == "group" else more, 100 if tokens_of == "group" else 200)
    who = caller(key, group)
    headers = dict(admit(admission(who), who).headers)
    assert headers[b"x-ratelimit-limit-requests"] == b"10"
    assert headers[b"x-ratelimit-remaining-requests"] == b"9"
    assert headers[b"x-ratelimit-reset-requests"] == b"6.000s"
    assert headers[b"x-ratelimit-limit-tokens"] == b"100"
    assert headers[b"x-ratelimit-remaining-tokens"] == b"92"


@pytest.mark.parametrize(
    ("key", "group"),
    [
        (Limits(), Limits(concurrency=3)),
        (Limits(concurrency=3), Limits()),
        (Limits(tpm=50), Limits()),
        (Limits(rpm=5), Limits(tpm=50)),
        (Limits(rpm=5, concurrency=1), Limits(rpm=7)),
    ],
)
def test_the_list_and_the_lines_say_the_same_of_any_limits(key: Limits, group: Limits) -> None:
    who = caller(key, group)
    found = admit(admission(who), who)
    lines = b"".join(b"%b: %b\r\n" % header for header in found.headers)
    assert lines == found.header_block
    kinds = {name for name in ("rpm", "tpm") if getattr(key, name) or getattr(group, name)}
    shown = {b"requests" if kind == "rpm" else b"tokens" for kind in kinds}
    told = {name for name, _ in found.headers}
    assert {name.rpartition(b"-")[2] for name in told if name.startswith(b"x-")} == shown


def test_a_quota_alone_has_no_headers_and_its_refusal_undoes_nothing_else() -> None:
    who = caller(Limits(), Limits(rpm=1), quota=1_000_000)
    made = admission(who)
    first = admit(made, who)
    held = estimate_cost(PROMPT, 4096, PRICE)
    assert made.ledger._held == {"t": held}
    with pytest.raises(Refusal, match="used up its quota"):
        made.admit(who, request(), PRICE)
    first.release(10)
    assert made.ledger._held == {}
    with pytest.raises(Refusal, match="1 requests per minute"):
        made.admit(who, request(), PRICE)
    assert made.ledger._held == {}, "what a limit refuses holds nothing of the quota"
    free = caller(Limits(), Limits(), quota=1_000_000)
    assert admit(admission(free), free).header_block == b""


def test_a_caller_without_limits_costs_nothing() -> None:
    who = caller(Limits(), Limits())
    assert admission(who).admit(who, request(), PRICE) is None
    person = Caller(Group("g"), None, person="p", purpose="chat")
    assert admission(person).admit(person, request(), PRICE) is None


def test_a_group_without_a_token_has_its_own_limits() -> None:
    person = Caller(Group("g", limits=Limits(rpm=2)), None, person="p", purpose="chat")
    made = admission(person)
    assert admit(made, person).header_block.count(b"group-rpm") == 2
    assert b"r=0" in admit(made, person).header_block
    with pytest.raises(Refusal, match="The group 'g'"):
        made.admit(person, request(), PRICE)


def test_a_plan_is_made_anew_for_another_snapshots_token() -> None:
    who, other = caller(Limits(rpm=5), Limits()), caller(Limits(rpm=7), Limits())
    made = admission(who)
    for turn in (who, other, who):
        limits = turn.token.limits if turn.token else Limits()
        assert b"limit-requests: %d\r" % (limits.rpm or 0) in admit(made, turn).header_block
    assert Plan(None, Group("g")).header_block([]) == b""


texts = st.text(st.characters(max_codepoint=0x30FF), max_size=20)
contents = st.one_of(
    texts, st.none(), st.lists(st.one_of(texts, st.integers(0, 9), st.just({"text": "abc"})))
)
messages = st.fixed_dictionaries(
    {"role": st.just("user")},
    optional={
        "content": contents,
        "tool_calls": st.just([{"function": {"name": "f", "arguments": "{}"}}]),
    },
)


@given(
    st.one_of(st.lists(st.one_of(messages, texts), max_size=5), st.none()),
    st.dictionaries(st.sampled_from(["prompt", "input", "tools", "user"]), contents, max_size=2),
)
def test_the_short_way_to_estimate_a_prompt_finds_what_the_long_way_finds(
    conversation: Any, others: dict[str, Any]
) -> None:
    data = {"model": "m", "messages": conversation, **others}
    # Any of these sends the request the long way, and an empty one adds nothing.
    assert estimate_prompt(data) == estimate_prompt({"prompt": "", **data})


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**13), st.integers(0, 10**9))
def test_an_estimated_cost_is_the_cost_of_such_a_usage(
    prompt: int, output: int, rate: int, fee: int
) -> None:
    price = Price("p", 0.0, input=rate, output=rate // 3, request=fee)
    assert estimate_cost(prompt, output, price) == cost_of(Usage(prompt, output=output), price)
