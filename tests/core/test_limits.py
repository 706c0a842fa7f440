"""Rate limits against an exact model, and the rules of acquiring several at once."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paifang.core.limits import Allowed, Ask, Limiter, Rate, Refused, Slots

TICK = Fraction(1, 16)
"""Times in these tests are multiples of it, so that floats hold them exactly."""


class Bucket:
    """A token bucket in exact arithmetic: what GCRA has to agree with."""

    def __init__(self, rate: Rate, now: Fraction) -> None:
        self.rate = rate
        self.level = Fraction(rate.limit)
        self.at = now

    def refill(self, now: Fraction) -> None:
        earned = (now - self.at) * self.rate.limit / Fraction(self.rate.period)
        self.level = min(self.level + earned, Fraction(self.rate.limit))
        self.at = now


steps = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(0, 400)),
        st.tuples(st.just("take"), st.integers(0, 12)),
        st.tuples(st.just("settle"), st.integers(-10, 25)),
    ),
    max_size=60,
)


@given(st.integers(1, 20), st.sampled_from([1, 10, 60]), st.integers(0, 10**9), steps)
def test_rate_agrees_with_an_exact_token_bucket(
    limit: int, period: int, start: int, steps: list[tuple[str, int]]
) -> None:
    rate = Rate(limit, period)
    now = Fraction(start)
    limiter, model = Limiter(), Bucket(rate, now)
    for action, amount in steps:
        if action == "pass":
            now += amount * TICK
        model.refill(now)
        if action == "settle":
            limiter.settle("k", rate, amount, float(now))
            model.level = min(model.level - amount, Fraction(limit))
        if action == "take":
            ask = Ask("r", "k", rate, amount)
            result = limiter.acquire([ask], float(now))
            if amount <= limit and model.level >= amount:
                assert isinstance(result, Allowed)
                model.level -= amount
            else:
                assert isinstance(result, Refused)
                assert result.never == (amount > limit)
                if not result.never:
                    need = (amount - model.level) * period / limit
                    assert result.retry_after == pytest.approx(float(need), abs=1e-4)
                    later = float(now) + result.retry_after
                    assert limiter._wait(ask, later) == 0
        state = limiter.peek(Ask("r", "k", rate), float(now))
        assert state.remaining == max(int(model.level // 1), 0)
        full = (limit - model.level) * period / limit
        assert state.reset == pytest.approx(float(full), abs=1e-4)


@given(st.integers(1, 30), st.lists(st.integers(0, 32), min_size=1, max_size=200))
def test_no_window_of_any_place_lets_more_than_burst_and_refill_through(
    limit: int, gaps: list[int]
) -> None:
    limiter, rate, now = Limiter(), Rate(limit, 10), 0.0
    passed: list[float] = []
    for gap in gaps:
        now += gap / 16
        if isinstance(limiter.acquire([Ask("r", "k", rate)], now), Allowed):
            passed.append(now)
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            length = passed[last] - begin
            assert last - first + 1 <= limit + length * limit / 10 + 1e-6


def test_full_burst_passes_and_the_next_waits_one_unit() -> None:
    limiter, rate = Limiter(), Rate(3, 1)
    for left in (2, 1, 0):
        result = limiter.acquire([Ask("rpm", "k", rate)], 1.7e9)
        assert isinstance(result, Allowed)
        assert result.states[0].remaining == left
    refused = limiter.acquire([Ask("rpm", "k", rate)], 1.7e9)
    assert isinstance(refused, Refused)
    assert (refused.name, refused.limit, refused.remaining, refused.never) == ("rpm", 3, 0, False)
    assert refused.retry_after == pytest.approx(1 / 3, abs=1e-5)
    assert refused.states[0].reset == pytest.approx(1, abs=1e-5)


def test_full_burst_passes_whatever_the_limit_and_the_time() -> None:
    for limit in range(1, 200):  # one float error in the refusing direction would show
        limiter, rate = Limiter(), Rate(limit, 60)
        for _ in range(limit):
            assert isinstance(limiter.acquire([Ask("r", "k", rate)], 1.7e9 + 0.1), Allowed)
        assert isinstance(limiter.acquire([Ask("r", "k", rate)], 1.7e9 + 0.1), Refused)


def test_rest_saves_up_no_more_than_a_full_account() -> None:
    limiter, rate = Limiter(), Rate(10, 10)
    limiter.acquire([Ask("r", "k", rate)], 0.0)
    allowed = limiter.acquire([Ask("r", "k", rate, 3)], 1000.0)
    assert isinstance(allowed, Allowed)
    assert allowed.states[0].remaining == 7


def test_several_limits_are_charged_all_or_not_at_all() -> None:
    limiter = Limiter()
    asks = [
        Ask("token-rpm", "a", Rate(10)),
        Ask("token-tpm", "b", Rate(1000), 400),
        Ask("group-concurrency", "c", Slots(1)),
    ]
    allowed = limiter.acquire(asks, 0.0)
    assert isinstance(allowed, Allowed)
    assert [(s.name, s.limit, s.remaining) for s in allowed.states] == [
        ("token-rpm", 10, 9), ("token-tpm", 1000, 600), ("group-concurrency", 1, 0),
    ]  # fmt: skip
    for _ in range(3):
        refused = limiter.acquire(asks, 0.0)
        assert isinstance(refused, Refused)
        assert refused.name == "group-concurrency"
        assert [s.remaining for s in refused.states] == [9, 600, 0]
    assert limiter.release("c")
    assert isinstance(limiter.acquire(asks, 0.0), Allowed)


def test_of_several_refusals_the_longest_is_told() -> None:
    limiter = Limiter()
    asks = [Ask("a", "a", Rate(1, 10)), Ask("b", "b", Rate(1, 60)), Ask("c", "c", Slots(1))]
    assert isinstance(limiter.acquire(asks, 0.0), Allowed)
    refused = limiter.acquire(asks, 0.0)
    assert isinstance(refused, Refused)
    assert (refused.name, refused.retry_after) == ("b", 60)
    assert isinstance(limiter.acquire(asks[:2], 60.0), Allowed)


def test_cost_over_the_limit_never_passes_and_says_so() -> None:
    refused = Limiter().acquire([Ask("tpm", "k", Rate(100), 101)], 0.0)
    assert isinstance(refused, Refused)
    assert refused.never
    assert 0 < refused.retry_after < 1e6


@pytest.mark.parametrize("rule", [Rate(0), Slots(0)])
def test_limit_of_zero_refuses_everything(rule: Rate | Slots) -> None:
    limiter = Limiter()
    refused = limiter.acquire([Ask("x", "k", rule)], 0.0)
    assert isinstance(refused, Refused)
    assert (refused.never, refused.limit, refused.remaining) == (True, 0, 0)
    assert len(limiter) == 0


def test_settling_beyond_the_limit_is_a_debt_that_is_earned_back() -> None:
    limiter, rate = Limiter(), Rate(100, 10)
    ask = Ask("tpm", "k", rate, 1)
    limiter.acquire([ask], 0.0)
    limiter.settle("k", rate, 299, 0.0)
    refused = limiter.acquire([ask], 0.0)
    assert isinstance(refused, Refused)
    assert refused.remaining == 0
    assert refused.retry_after == pytest.approx(20.1)
    assert isinstance(limiter.acquire([ask], 20.05), Refused)
    assert isinstance(limiter.acquire([ask], 20.11), Allowed)


def test_giving_back_never_makes_more_than_a_full_account() -> None:
    limiter, rate = Limiter(), Rate(10, 10)
    limiter.acquire([Ask("r", "k", rate, 5)], 0.0)
    limiter.settle("k", rate, -50, 1.0)
    assert limiter.peek(Ask("r", "k", rate), 1.0).remaining == 10
    assert len(limiter) == 0


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_slots_are_never_over_the_limit_nor_below_zero(actions: list[bool], limit: int) -> None:
    limiter, held = Limiter(), 0
    for take in actions:
        if take:
            result = limiter.acquire([Ask("c", "k", Slots(limit))], 0.0)
            assert isinstance(result, Allowed) == (held < limit)
            held = min(held + 1, limit)
        else:
            assert limiter.release("k") == (held > 0)
            held = max(held - 1, 0)
        assert limiter.held("k") == held
    assert len(limiter) == (1 if held else 0)


def test_slots_above_a_limit_that_was_lowered_are_still_given_back() -> None:
    limiter = Limiter()
    for _ in range(3):
        limiter.acquire([Ask("c", "k", Slots(3))], 0.0)
    lowered = Ask("c", "k", Slots(1))
    assert limiter.peek(lowered, 0.0).remaining == 0
    for _ in range(2):
        assert isinstance(limiter.acquire([lowered], 0.0), Refused)
        limiter.release("k")
    limiter.release("k")
    assert isinstance(limiter.acquire([lowered], 0.0), Allowed)


def test_keys_at_rest_are_forgotten_by_themselves() -> None:
    limiter, rate = Limiter(), Rate(10, 1)
    for number in range(50_000):  # each is full again after 0.1 s; 1,000 come in a second
        limiter.acquire([Ask("r", number, rate)], number / 1000)
        assert len(limiter) <= 2048
    assert limiter.prune(50.2) > 0
    assert len(limiter) == 0


def test_senseless_limits_and_costs_are_value_errors() -> None:
    for limit, period in ((-1, 1.0), (1, 0.0), (1, -1.0), (1, float("inf")), (1, float("nan"))):
        with pytest.raises(ValueError, match="rate"):
            Rate(limit, period)
    for limit, after in ((-1, 1.0), (1, 0.0), (1, float("inf"))):
        with pytest.raises(ValueError, match="slots"):
            Slots(limit, after)
    with pytest.raises(ValueError, match="negative"):
        Limiter().acquire([Ask("r", "k", Rate(1), -1)], 0.0)
